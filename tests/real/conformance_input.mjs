// What the 2026-07-28 scenarios of the conformance suite call: tools and a prompt that answer
// "input required", so that the client repeats the request with the input, and hooks that change
// lists.
import { randomBytes } from 'node:crypto';
import {
  acceptedContent,
  createRequestStateCodec,
  inputRequired,
  inputResponse,
} from '@modelcontextprotocol/server';
import * as z from 'zod/v4';
import { registerTool, result, text } from './conformance_tools.mjs';

// The server verifies every echoed state with it, before a tool is asked.
export const states = createRequestStateCodec({ key: randomBytes(32) });

const name_schema = z.object({ name: z.string() });
const ask = (message, requestedSchema) => inputRequired.elicit({ message, requestedSchema });
const ask_model = (prompt, maxTokens = 100) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: text(prompt) }], maxTokens });
const done = (value) => result(text(value));

async function elicitation(_, { mcpReq }) {
  const user = acceptedContent(mcpReq.inputResponses, 'user_name', name_schema);
  if (user) return done(`Hello, ${user.name}!`);
  return inputRequired({ inputRequests: { user_name: ask('What is your name?', name_schema) } });
}

async function sampling(_, { mcpReq }) {
  const answer = inputResponse(mcpReq.inputResponses, 'capital_question');
  if (answer.kind === 'sampling') return done(answer.result.content.text);
  return inputRequired({
    inputRequests: { capital_question: ask_model('What is the capital of France?') },
  });
}

async function list_roots(_, { mcpReq }) {
  const answer = inputResponse(mcpReq.inputResponses, 'client_roots');
  if (answer.kind === 'roots') return done(answer.roots.map((root) => root.uri).join(' '));
  return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
}

async function confirmed(_, { mcpReq }) {
  const schema = z.object({ ok: z.boolean() });
  const ok = acceptedContent(mcpReq.inputResponses, 'confirm', schema);
  if (ok && mcpReq.requestState()?.asked === 'confirm') return done('state-ok');
  return inputRequired({
    inputRequests: { confirm: ask('Please confirm', schema) },
    requestState: await states.mint({ asked: 'confirm' }),
  });
}

async function multiple_inputs(_, { mcpReq }) {
  const user = acceptedContent(mcpReq.inputResponses, 'user_name', name_schema);
  const greeting = inputResponse(mcpReq.inputResponses, 'greeting');
  const roots = inputResponse(mcpReq.inputResponses, 'client_roots');
  if (user && greeting.kind === 'sampling' && roots.kind === 'roots' && mcpReq.requestState()) {
    return done(`${greeting.result.content.text}, ${user.name}: ${roots.roots.length} roots`);
  }
  return inputRequired({
    inputRequests: {
      user_name: ask('What is your name?', name_schema),
      greeting: ask_model('Generate a greeting', 50),
      client_roots: inputRequired.listRoots(),
    },
    requestState: await states.mint({ asked: 'all' }),
  });
}

// Two questions; the state alone knows which one was answered and what.
async function multi_round(_, { mcpReq }) {
  const colors = z.object({ color: z.string() });
  const state = mcpReq.requestState();
  if (state?.name !== undefined) {
    const second = acceptedContent(mcpReq.inputResponses, 'step2', colors);
    if (second) return done(`${state.name} likes ${second.color}`);
  }
  const first = acceptedContent(mcpReq.inputResponses, 'step1', name_schema);
  if (state && first) {
    return inputRequired({
      inputRequests: { step2: ask('Step 2: What is your favorite color?', colors) },
      requestState: await states.mint({ name: first.name }),
    });
  }
  return inputRequired({
    inputRequests: { step1: ask('Step 1: What is your name?', name_schema) },
    requestState: await states.mint({}),
  });
}

// Asks only for what this client can do.
async function capabilities(_, { mcpReq }) {
  const can = mcpReq.envelope['io.modelcontextprotocol/clientCapabilities'];
  const inputRequests = {
    ...(can.sampling && { question: ask_model('Anything') }),
    ...(can.elicitation && { user_name: ask('What is your name?', name_schema) }),
  };
  return Object.keys(inputRequests).length > 0
    ? inputRequired({ inputRequests })
    : done('nothing to ask');
}

async function prompt({ mcpReq }) {
  const schema = z.object({ context: z.string() });
  const given = acceptedContent(mcpReq.inputResponses, 'user_context', schema);
  if (given)
    return { messages: [{ role: 'user', content: text(`In the context of ${given.context}`) }] };
  return inputRequired({
    inputRequests: { user_context: ask('What context should the prompt use?', schema) },
  });
}

// One row per tool that asks. The SDK refuses a request the client's capabilities do not cover,
// which is what test_missing_capability is called for.
const tools = [
  ['test_input_required_result_elicitation', elicitation],
  ['test_input_required_result_sampling', sampling],
  ['test_input_required_result_list_roots', list_roots],
  ['test_input_required_result_request_state', confirmed],
  ['test_input_required_result_tampered_state', confirmed],
  ['test_input_required_result_multiple_inputs', multiple_inputs],
  ['test_input_required_result_multi_round', multi_round],
  ['test_input_required_result_capabilities', capabilities],
  [
    'test_missing_capability',
    async () => inputRequired({ inputRequests: { question: ask_model('Anything') } }),
  ],
  ['test_streaming_elicitation', elicitation],
];

// `notify` publishes to the listen streams, which outlive this instance.
export function registerInput(server, notify) {
  for (const row of tools) registerTool(server, ...row);
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'Asks for its context' },
    prompt,
  );
  registerTool(server, 'test_logging_tool', async (_, context) => {
    await context.mcpReq.log('info', 'sent only to clients that asked for this level');
    return done('logged');
  });
  registerTool(server, 'test_trigger_tool_change', async () => {
    notify.toolsChanged();
    return done('changed');
  });
  registerTool(server, 'test_trigger_prompt_change', async () => {
    notify.promptsChanged();
    return done('changed');
  });
}
