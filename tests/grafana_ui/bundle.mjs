/* node bundle.mjs FOLDER: writes the page that draws dashboards. */

import { cpSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2];
await build({
  absWorkingDir: here,
  bundle: true,
  define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
  entryPoints: [{ in: join(here, 'src/main.tsx'), out: 'main' }],
  // The editors of code are never opened here.
  external: ['monaco-editor', 'monaco-editor/*'],
  format: 'iife',
  jsx: 'automatic',
  loader: { '.woff2': 'dataurl', '.svg': 'dataurl', '.png': 'dataurl' },
  logLevel: 'error',
  minify: true,
  outdir: folder,
});
cpSync(join(here, 'src/index.html'), join(folder, 'index.html'));
cpSync(join(here, 'node_modules/@grafana/ui/dist/public/img'), join(folder, 'public/build/img'), { recursive: true });
// Grafana's style sheet asks for its font here.
for (const weight of ['Regular', 'Medium']) {
  const font = join(here, 'node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2');
  cpSync(font, join(folder, `public/fonts/inter/Inter-${weight}.woff2`));
}
