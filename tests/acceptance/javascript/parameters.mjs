// Plays the parameter rows of tests/acceptance/sdk/matrix.py with the official SDK for JavaScript. Arguments: the
// gateway's URL, and a JSON file of rows. Prints for each row the body the SDK sent (base64) and what was wrong, if
// anything; tests/acceptance/sdk/test_javascript.py compares it with what reached the provider.
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';

let sent;
const tee = (url, init) => {
  sent = Buffer.from(init.body).toString('base64');
  return fetch(url, init);
};
const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: 'not-needed', maxRetries: 0, fetch: tee });
const create = {
  chat: (body, options) => client.chat.completions.create(body, options),
  completions: (body, options) => client.completions.create(body, options),
  responses: (body, options) => client.responses.create(body, options),
  embeddings: (body, options) => client.embeddings.create(body, options),
};

function problem(operation, reply) {
  if (operation === 'embeddings') return reply.data.length > 0 ? null : 'no vector';
  if (operation === 'responses') return reply.status === 'completed' ? null : reply.status;
  return reply.choices.every((choice) => choice.finish_reason) ? null : 'not finished';
}

async function streamProblem(operation, stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  if (operation === 'responses') return events.at(-1).type === 'response.completed' ? null : events.at(-1).type;
  return events.some((event) => event.choices[0]?.finish_reason) ? null : 'not finished';
}

const seen = [];
for (const { operation, given } of JSON.parse(readFileSync(process.argv[3]))) {
  const { extra_body, extra_headers, extra_query, timeout, ...body } = given;
  const options = { headers: extra_headers, query: extra_query, ...(timeout && { timeout: timeout * 1000 }) };
  let wrong;
  try {
    const reply = await create[operation]({ ...body, ...extra_body }, options);
    wrong = body.stream ? await streamProblem(operation, reply) : problem(operation, reply);
  } catch (error) {
    wrong = String(error);
  }
  seen.push({ sent, wrong });
}
console.log(JSON.stringify(seen));
