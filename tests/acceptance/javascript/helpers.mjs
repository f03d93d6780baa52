// The helpers of the official SDK for JavaScript, one function each; tests/acceptance/sdk/matrix.py names them.
// Argument: the gateway's URL. Prints an object: for each function null, or what was wrong.
import assert from 'node:assert/strict';
import OpenAI, * as errors from 'openai';
import { makeParseableResponseFormat, makeParseableTextFormat } from 'openai/lib/parser';

// A fault is only for the first try: a retry goes without it.
const fetchOnceFaulty = (url, init) => {
  const headers = new Headers(init.headers);
  if (headers.get('x-stainless-retry-count') !== '0') headers.delete('x-sandbox-fault');
  return fetch(url, { ...init, headers });
};
const options = { baseURL: `${process.argv[2]}/v1`, apiKey: 'not-needed', maxRetries: 0, fetch: fetchOnceFaulty };
const client = new OpenAI(options);
const faulty = (fault, more = {}) => ({ headers: { 'x-sandbox-fault': fault }, ...more });
const model = 'sandbox';
const question = 'How is the weather in Oslo?';
const messages = [{ role: 'user', content: question }];
const said = `This is the Circuit Breaker sandbox, not a language model. You said: ${question}`;
const schema = {
  type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false,
};
const collect = async (stream) => {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
};
const tools = (asked) => [{
  type: 'function',
  function: {
    name: 'get_weather', parameters: schema, parse: JSON.parse,
    function: (given) => { asked.push(given); return 'rain'; },
  },
}];

const helpers = {
  async chat() {
    const whole = await client.chat.completions.create({ model, messages });
    assert.equal(whole.choices[0].message.content, said);
    const events = await collect(await client.chat.completions.create({ model, messages, stream: true }));
    assert.equal(events.map((event) => event.choices[0]?.delta?.content ?? '').join(''), said);
  },
  async streamHelper() {
    let text = '';
    const stream = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
    stream.on('content', (delta) => { text += delta; });
    const final = await stream.finalChatCompletion();
    assert.equal(text, said);
    assert.equal(final.choices[0].message.content, said);
    assert.ok((await stream.totalUsage()).total_tokens > 0);
  },
  async parse() {
    const json = { type: 'json_schema', json_schema: { name: 'place', schema, strict: true } };
    const format = makeParseableResponseFormat(json, JSON.parse);
    const parsed = await client.chat.completions.parse({ model, messages, response_format: format });
    assert.deepEqual(parsed.choices[0].message.parsed, { city: said });
  },
  async runTools() {
    const asked = [];
    const runner = client.chat.completions.runTools({ model, messages, tools: tools(asked) });
    assert.match(await runner.finalContent(), /The tool get_weather returned: rain$/);
    assert.deepEqual(asked, [{ city: question }]);
  },
  async runToolsStreamed() {
    const asked = [];
    const runner = client.chat.completions.runTools({ model, messages, tools: tools(asked), stream: true });
    assert.match(await runner.finalContent(), /The tool get_weather returned: rain$/);
    assert.deepEqual(asked, [{ city: question }]);
  },
  async responses() {
    const whole = await client.responses.create({ model, input: question });
    assert.equal(whole.output_text, said);
    const events = await collect(await client.responses.create({ model, input: question, stream: true }));
    assert.equal(events.at(-1).type, 'response.completed');
    assert.equal(events.filter((e) => e.type === 'response.output_text.delta').map((e) => e.delta).join(''), said);
  },
  async responsesParse() {
    const json = { type: 'json_schema', name: 'place', schema, strict: true };
    const format = makeParseableTextFormat(json, JSON.parse);
    const parsed = await client.responses.parse({ model, input: question, text: { format } });
    assert.deepEqual(parsed.output_parsed, { city: said });
  },
  async responsesStream() {
    const stream = client.responses.stream({ model, input: question });
    assert.ok((await collect(stream)).length > 5);
    assert.equal((await stream.finalResponse()).output[0].content[0].text, said);
  },
  async completions() {
    const whole = await client.completions.create({ model, prompt: question });
    assert.equal(whole.choices[0].text, said);
    const events = await collect(await client.completions.create({ model, prompt: question, stream: true }));
    assert.equal(events.map((event) => event.choices[0]?.text ?? '').join(''), said);
  },
  async embeddings() {
    const packed = (await client.embeddings.create({ model, input: 'Hello' })).data[0].embedding;
    const plain = (await client.embeddings.create({ model, input: 'Hello', encoding_format: 'float' })).data[0].embedding;
    assert.equal(packed.length, plain.length);
    packed.forEach((value, index) => assert.ok(Math.abs(value - plain[index]) < 1e-6));
  },
  async rawResponse() {
    const { data, response, request_id } = await client.chat.completions.create({ model, messages }).withResponse();
    assert.equal(data.choices[0].message.content, said);
    assert.equal(response.headers.get('x-circuit-breaker-provider'), 'sandbox');
    assert.equal(request_id, response.headers.get('x-request-id'));
    const raw = await client.chat.completions.create({ model, messages, stream: true }).asResponse();
    assert.match(await raw.text(), /data: \[DONE\]\n\n$/);
  },
  async models() {
    const names = (await collect(client.models.list())).map((one) => one.id);
    assert.ok(names.includes('gpt-4'));
    assert.equal((await client.models.list()).hasNextPage(), false);
    assert.equal((await client.models.retrieve('gpt-4')).id, 'gpt-4');
  },
  async retries() {
    const patient = new OpenAI({ ...options, maxRetries: 1 });
    const faults = ['status=429&retry-after=1', 'status=500', 'status=503', 'cut=before'];
    const begun = performance.now();
    const replies = await Promise.all(
      faults.map((fault) => patient.chat.completions.create({ model, messages }, faulty(fault))),
    );
    assert.deepEqual(replies.map((reply) => reply.choices[0].message.content), faults.map(() => said));
    assert.ok(performance.now() - begun >= 990);
  },
  async timeouts() {
    await assert.rejects(
      client.chat.completions.create({ model, messages }, faulty('hang=before', { timeout: 200 })),
      errors.APIConnectionTimeoutError,
    );
    const stop = new AbortController();
    const slow = faulty('words=1000&rate=50', { signal: stop.signal });
    const stream = await client.chat.completions.create({ model, messages, stream: true }, slow);
    let count = 0;
    for await (const event of stream) if ((count += 1, event) && count === 3) stop.abort();
    assert.ok(count < 1000);
  },
  async errors() {
    const kinds = {
      'status=400': errors.BadRequestError, 'status=404': errors.NotFoundError, 'status=409': errors.ConflictError,
      'status=422': errors.UnprocessableEntityError, 'status=429': errors.RateLimitError,
      'status=500': errors.InternalServerError, 'cut=before': errors.InternalServerError,
    };
    for (const [fault, kind] of Object.entries(kinds)) {
      await assert.rejects(client.chat.completions.create({ model, messages }, faulty(fault)), kind, fault);
    }
    const cut = await client.chat.completions.create({ model, messages, stream: true }, faulty('cut=4'));
    await assert.rejects(collect(cut), errors.APIError);
  },
  async concurrency() {
    const numbers = [...Array(60).keys()];
    const replies = await Promise.all(numbers.map((number) => client.chat.completions.create({
      model, messages: [{ role: 'user', content: `number ${number}` }],
    })));
    replies.forEach((reply, number) => assert.match(reply.choices[0].message.content, new RegExp(`number ${number}$`)));
  },
};

const seen = {};
for (const [name, helper] of Object.entries(helpers)) {
  seen[name] = await helper().then(() => null, (error) => String(error.stack));
}
console.log(JSON.stringify(seen));
