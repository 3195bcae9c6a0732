/* Checks dashboards against Grafana's published types (@grafana/schema), in two ways: as JSON Schema made from them, and
   by the TypeScript compiler.

   node check.mjs FOLDER < dashboards.json > faults.json
   FOLDER: where npm installed @grafana/schema, typescript, ts-json-schema-generator and ajv.
   In: {name: dashboard, ...}. Out: [{"dashboard", "part", "by": "schema" | "types", "path", "message"}, ...]. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = resolve(process.argv[2]);
const require = createRequire(join(folder, 'package.json'));
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);
const ts = (await load('typescript')).default;
const { default: Ajv } = await load('ajv');
const { SchemaGenerator, createFormatter, createParser, DEFAULT_CONFIG } = await load('ts-json-schema-generator');

const TYPES = readFileSync(join(dirname(fileURLToPath(import.meta.url)), 'types.ts'), 'utf8');
const KINDS = { bargauge: 'BarGaugePanel', row: 'Heading', stat: 'StatPanel', table: 'TablePanel', timeseries: 'TimeSeriesPanel' };
const OPTIONS = {
  lib: ['lib.es2022.d.ts'],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  noEmit: true,
  skipLibCheck: true,
  strict: true,
  target: ts.ScriptTarget.ES2022,
  types: [],
};

/* Every dashboard's frame and panels: {dashboard, part, kind, value}. */
function* partsOf(dashboards) {
  for (const [dashboard, { panels, ...frame }] of Object.entries(dashboards)) {
    yield { dashboard, part: 'dashboard', kind: 'Frame', value: frame };
    for (const panel of panels) {
      yield { dashboard, part: `panel '${panel.title ?? panel.id}'`, kind: KINDS[panel.type], value: panel };
    }
  }
}

/* A program of the types and of files that exist only here, so that nothing is written beside the packages. */
function programOf(files) {
  const host = ts.createCompilerHost(OPTIONS);
  const { fileExists, getSourceFile, readFile } = host;
  host.fileExists = (name) => files.has(name) || fileExists(name);
  host.readFile = (name) => files.get(name) ?? readFile(name);
  host.getSourceFile = (name, version) =>
    files.has(name) ? ts.createSourceFile(name, files.get(name), version, true) : getSourceFile(name, version);
  return ts.createProgram([...files.keys()], OPTIONS, host);
}

/* The names from the value's root to what stands at this place. */
function pathAt(source, position) {
  const names = [];
  const visit = (node) => {
    if (position < node.getStart(source) || position >= node.getEnd()) return;
    if (ts.isPropertyAssignment(node)) names.push(node.name.text);
    if (ts.isArrayLiteralExpression(node)) {
      const at = node.elements.findIndex((one) => position >= one.getStart(source) && position < one.getEnd());
      if (at >= 0) names.push(String(at));
    }
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(source, visit);
  return names.join('.');
}

/* The deepest reason of a fault: what the outer ones say is only that the whole does not fit. */
function deepest(message) {
  if (typeof message === 'string') return message;
  return message.next?.length ? deepest(message.next.at(-1)) : message.messageText;
}

function typeFaults(parts) {
  const types = join(folder, 'edgejoule-types.ts');
  const name = (i) => join(folder, `edgejoule-part-${i}.ts`);
  const files = new Map([[types, TYPES]]);
  parts.forEach(({ kind, value }, i) => {
    const head = `import type { ${kind}, Plain } from './edgejoule-types';\n`;
    files.set(name(i), `${head}export const part: Plain<${kind}> = ${JSON.stringify(value, null, 1)};\n`);
  });
  const program = programOf(files);
  const own = program.getSemanticDiagnostics(program.getSourceFile(types));
  if (own.length) throw new Error(`types.ts: ${own.map((one) => ts.flattenDiagnosticMessageText(one.messageText, ' ')).join('; ')}`);
  return parts.flatMap(({ dashboard, part }, i) => {
    const source = program.getSourceFile(name(i));
    return program.getSemanticDiagnostics(source).map(({ messageText, start }) => ({
      dashboard, part, by: 'types', path: pathAt(source, start), message: deepest(messageText),
    }));
  });
}

function schemaFaults(parts) {
  const types = join(folder, 'edgejoule-types.ts');
  const config = { ...DEFAULT_CONFIG, additionalProperties: false, expose: 'none', jsDoc: 'none', skipTypeCheck: true, topRef: true, type: '*' };
  const program = programOf(new Map([[types, TYPES]]));
  const generator = new SchemaGenerator(program, createParser(program, config), createFormatter(config), config);
  const kinds = ['Frame', ...Object.values(KINDS)];
  const validators = new Map();
  for (const kind of kinds) {
    const ajv = new Ajv({ allErrors: true, strict: false });
    validators.set(kind, ajv.compile(generator.createSchema(`${kind}Schema`)));
  }
  return parts.flatMap(({ dashboard, part, kind, value }) => {
    const validate = validators.get(kind);
    if (validate(value)) return [];
    return validate.errors.map(({ instancePath, message, params }) => ({
      dashboard, part, by: 'schema', path: instancePath.slice(1).replaceAll('/', '.'),
      message: [message, params.additionalProperty, params.allowedValues?.join(', ')].filter(Boolean).join(': '),
    }));
  });
}

const dashboards = JSON.parse(readFileSync(0, 'utf8'));
const all = [...partsOf(dashboards)];
const strange = all.filter(({ kind }) => !kind);
const parts = all.filter(({ kind }) => kind);
const faults = [
  ...strange.map(({ dashboard, part, value }) => ({
    dashboard, part, by: 'schema', path: 'type', message: `no kind of panel that is known here: ${value.type}`,
  })),
  ...schemaFaults(parts),
  ...typeFaults(parts),
];
process.stdout.write(`${JSON.stringify(faults)}\n`);
