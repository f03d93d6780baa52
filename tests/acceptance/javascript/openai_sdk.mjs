// The official OpenAI SDK for JavaScript, unchanged but for its base URL. Prints one JSON object with what it saw;
// tests/acceptance/test_openai_sdk_javascript.py judges it. Argument: the gateway's URL.
import OpenAI, { NotFoundError } from 'openai';

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: 'not-needed', maxRetries: 0 });
const messages = [{ role: 'user', content: 'Hello from JavaScript' }];
const seen = {};

seen.models = [];
for await (const model of client.models.list()) seen.models.push(model.id);

const whole = await client.chat.completions.create({ model: 'cb:cost-optimal', messages });
seen.whole = whole.choices[0].message.content;
seen.finishReason = whole.choices[0].finish_reason;

seen.streamed = '';
seen.chunks = 0;
const stream = await client.chat.completions.create({ model: 'auto', messages, stream: true });
for await (const chunk of stream) {
  seen.chunks += 1;
  seen.streamed += chunk.choices[0]?.delta?.content || '';
}

const embedded = await client.embeddings.create({ model: 'text-embedding-3-small', input: 'a cat', dimensions: 8 });
seen.dimensions = embedded.data[0].embedding.length;
seen.length = Math.hypot(...embedded.data[0].embedding);

const completed = await client.completions.create({ model: 'gpt-3.5-turbo', prompt: 'Say this', max_tokens: 20 });
seen.completed = completed.choices[0].text;

const responded = await client.responses.create({ model: 'gpt-4o', input: 'Hello from JavaScript' });
seen.responded = responded.output_text;
seen.events = [];
const events = await client.responses.create({ model: 'gpt-4o', input: 'Hello from JavaScript', stream: true });
for await (const event of events) seen.events.push(event.type);

try {
  await client.chat.completions.create({ model: 'no-such-model', messages });
} catch (error) {
  seen.notFound = error instanceof NotFoundError && error.code === 'model_not_found';
}

console.log(JSON.stringify(seen));
