// Runs one code block of the users' guide, JavaScript or TypeScript, with what a page would have around it; `--translate`
// only prints it as JavaScript. Last argument: the code. tests/acceptance/test_guide.py judges what is printed.
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { transform } from 'sucrase';
import WebSocket from 'ws';

const printed = process.argv.at(-1);
const { code } = transform(printed, { transforms: ['typescript', 'jsx'], preserveDynamicImport: true, disableESTransforms: true });
if (process.argv[2] === '--translate') {
  console.log(code);
  process.exit(0);
}
globalThis.WebSocket = WebSocket;
globalThis.appendContent = (text) => process.stdout.write(text);
globalThis.showThinkingIndicator = (status) => process.stdout.write(`[${status}]`);
globalThis.hideThinkingIndicator = () => {};
globalThis.showUsageStats = (usage) => { console.log(JSON.stringify(usage)); process.exit(0); };
process.env.OPENAI_API_KEY = 'not-needed';
// A block that returns is the body of a function.
const imports = code.match(/^import .*$/gm) ?? [];
const body = code.replace(/^import .*$/gm, '');
const file = `block-${process.pid}.mjs`;
writeFileSync(file, `${imports.join('\n')}\nawait (async () => {\n${body}\n})();\n`);
await import(pathToFileURL(file).href);
