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

try {
  await client.chat.completions.create({ model: 'no-such-model', messages });
} catch (error) {
  seen.notFound = error instanceof NotFoundError && error.code === 'model_not_found';
}

console.log(JSON.stringify(seen));
