// Apollo Client, graphql-ws, graphql-sse and subscriptions-transport-ws, unchanged but for the URL: a query, a mutation
// and a subscription each, cut and resumed. Prints one JSON object; tests/acceptance/test_graphql_clients.py judges it.
// Argument: the control plane's URL.
import core from '@apollo/client/core/core.cjs';
import links from '@apollo/client/link/subscriptions/subscriptions.cjs';
import utilities from '@apollo/client/utilities/utilities.cjs';
import { createClient as overEvents } from 'graphql-sse';
import { createClient as overSocket } from 'graphql-ws';
import { SubscriptionClient } from 'subscriptions-transport-ws';
import WebSocket from 'ws';

const { ApolloClient, HttpLink, InMemoryCache, gql, split } = core;
const { GraphQLWsLink } = links;
const { getMainDefinition } = utilities;
const http = `${process.argv[2]}/graphql`;
const sockets = http.replace('http', 'ws');
const CREATE = 'mutation { createToken(input: {workflowId: "document_review"}) { id place } }';
const FOLLOW = `subscription ($after: String) {
  workflowEvents(workflowId: "document_review", after: $after) { position eventType tokenId } }`;
const WORKFLOWS = '{ workflows { id } }';
const socket = overSocket({ url: sockets, webSocketImpl: WebSocket, lazy: false });
const events = overEvents({ url: http });
const seen = {};

const once = (client, query, variables) => new Promise((resolve, reject) => {
  let last;
  client.subscribe({ query, variables }, { next: (value) => { last = value; }, error: reject, complete: () => resolve(last) });
});

// What `follow` tells, from the log's beginning, of two tokens made while it is followed; then, gone on behind the
// second, of one made meanwhile.
const followed = async (follow, create) => {
  const told = [];
  let arrived;
  const take = (event) => { told.push(event); arrived?.(); };
  const come = async (id) => {
    while (told.at(-1)?.tokenId !== id) await new Promise((resolve) => { arrived = resolve; });
  };
  let stop = follow('0', take);
  const made = [await create(), await create()];
  await come(made[1]);
  stop();
  const before = told.length;
  made.push(await create());
  stop = follow(told.at(-1).position, take);
  await come(made[2]);
  stop();
  return { made, told: told.slice(before - 2).map((event) => event.tokenId) };
};

const createOver = (client) => async () => (await once(client, CREATE)).data.createToken.id;
const followOver = (client) => (after, take) => client.subscribe({ query: FOLLOW, variables: { after } }, {
  next: (value) => take(value.data.workflowEvents), error: console.error, complete: () => {},
});

seen.socketQuery = (await once(socket, WORKFLOWS)).data.workflows.map((workflow) => workflow.id);
seen.socket = await followed(followOver(socket), createOver(socket));
seen.eventsQuery = (await once(events, WORKFLOWS)).data.workflows.map((workflow) => workflow.id);
seen.events = await followed(followOver(events), createOver(events));

const legacy = new SubscriptionClient(sockets, {}, WebSocket);
const observed = (query, variables) => new Promise((resolve, reject) => {
  legacy.request({ query, variables }).subscribe({ next: resolve, error: reject });
});
seen.legacyQuery = (await observed(WORKFLOWS)).data.workflows.map((workflow) => workflow.id);
seen.legacy = await followed((after, take) => {
  const subscription = legacy.request({ query: FOLLOW, variables: { after } })
    .subscribe({ next: (value) => take(value.data.workflowEvents), error: console.error });
  return () => subscription.unsubscribe();
}, async () => (await observed(CREATE)).data.createToken.id);
seen.legacyError = await observed('{ nonsense }').then(() => '', (error) => error.message ?? error[0].message);
legacy.close();

const isSubscription = ({ query }) => getMainDefinition(query).operation === 'subscription';
const apollo = new ApolloClient({
  cache: new InMemoryCache(),
  link: split(isSubscription, new GraphQLWsLink(socket), new HttpLink({ uri: http, fetch })),
});
const listed = await apollo.query({ query: gql(WORKFLOWS) });
seen.apolloQuery = listed.data.workflows.map((workflow) => workflow.id);
seen.apollo = await followed((after, take) => {
  const subscription = apollo.subscribe({ query: gql(FOLLOW), variables: { after } })
    .subscribe({ next: (value) => take(value.data.workflowEvents), error: console.error });
  return () => subscription.unsubscribe();
}, async () => (await apollo.mutate({ mutation: gql(CREATE) })).data.createToken.id);
apollo.stop();
await socket.dispose();

console.log(JSON.stringify(seen));
process.exit(0);
