// What is left to do after Vite: the API reference goes beside the dashboard, all text is compressed
// once here instead of at each request, and the first view is held to its size.

import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const TEXT = new Set(['.html', '.js', '.css', '.svg', '.json', '.md', '.txt']);
/** What is loaded until the first screen stands there, gzipped. */
const FIRST_VIEW_MAX = 250 * 1024;
const FIRST_SCREEN = 'src/screens/overview/overview.tsx';

copyDocs();
const sizes = compress();
report(sizes);
// The manifest was for this script, not for browsers.
rmSync(join(dist, '.vite'), { recursive: true });

/** Swagger UI as published, with a page and a script of ours. */
function copyDocs() {
  const swagger = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const to = join(dist, 'docs');
  mkdirSync(to, { recursive: true });
  for (const name of ['index.html', 'docs.js', 'docs.css']) {
    copyFileSync(join(root, 'docs', name), join(to, name));
  }
  for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css']) {
    // Without the line that points to a source map, which is not there.
    const text = readFileSync(join(swagger, name), 'utf8');
    writeFileSync(join(to, name), text.replace(/\n?\/[*/]# sourceMappingURL=.*$/m, ''));
  }
  copyFileSync(join(swagger, 'swagger-ui-bundle.js.LICENSE.txt'), join(to, 'LIBRARIES.txt'));
  for (const name of ['LICENSE', 'NOTICE']) {
    copyFileSync(join(swagger, name), join(to, `${name}.txt`));
  }
}

/** Writes `.gz` and `.br` beside each text; tells the sizes of each file. */
function compress() {
  const sizes = new Map();
  for (const path of files(dist)) {
    if (!TEXT.has(extname(path))) continue;
    const bytes = readFileSync(path);
    const gz = gzipSync(bytes, { level: 9 });
    // The system it was made on; the same bytes on each.
    gz[9] = 0xff;
    const br = brotliCompressSync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    });
    writeFileSync(`${path}.gz`, gz);
    writeFileSync(`${path}.br`, br);
    sizes.set(relative(dist, path), { plain: bytes.length, gz: gz.length, br: br.length });
  }
  return sizes;
}

function report(sizes) {
  const manifest = JSON.parse(readFileSync(join(dist, '.vite', 'manifest.json'), 'utf8'));
  const first = new Set(['index.html']);
  for (const entry of ['index.html', FIRST_SCREEN]) collect(manifest, entry, first);
  // Its charts are not there at first, but they belong to what one sees.
  for (const lazy of manifest[FIRST_SCREEN].dynamicImports ?? []) collect(manifest, lazy, first);
  const docs = [...sizes.keys()].filter(name => name.startsWith('docs/'));
  const rest = [...sizes.keys()].filter(name => !first.has(name) && !docs.includes(name));

  let total = 0;
  console.log(line('file', 'bytes', 'gzip', 'brotli'));
  for (const [title, names] of [
    ['first view', [...first]],
    ['other screens', rest],
    ['/docs', docs],
  ]) {
    const sum = { plain: 0, gz: 0, br: 0 };
    for (const name of names.sort()) {
      const size = sizes.get(name);
      for (const kind of Object.keys(sum)) sum[kind] += size[kind];
      console.log(line(name, size.plain, size.gz, size.br));
    }
    console.log(line(`= ${title}`, sum.plain, sum.gz, sum.br) + '\n');
    if (names.includes('index.html')) total = sum.gz;
  }
  const kib = (total / 1024).toFixed(1);
  console.log(`first view: ${kib} KiB gzipped, of ${FIRST_VIEW_MAX / 1024} KiB allowed`);
  if (total > FIRST_VIEW_MAX) {
    console.error('The first view is too large: load something of it later.');
    process.exitCode = 1;
  }
}

/** A chunk with its style sheets and all that it imports at once. */
function collect(manifest, entry, into) {
  const chunk = manifest[entry];
  if (chunk === undefined) throw new Error(`the manifest has no ${entry}`);
  if (into.has(chunk.file)) return;
  into.add(chunk.file);
  for (const css of chunk.css ?? []) into.add(css);
  for (const next of chunk.imports ?? []) collect(manifest, next, into);
}

function files(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .flatMap(entry => {
      const path = join(dir, entry.name);
      if (entry.name === '.vite') return [];
      return entry.isDirectory() ? files(path) : [path];
    })
    .sort();
}

function line(name, ...numbers) {
  return name.padEnd(44) + numbers.map(number => String(number).padStart(10)).join('');
}
