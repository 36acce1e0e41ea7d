import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { describe, it } from 'mocha';

/**
 * What each folder of source may import, beside itself and `node:` modules: folders or files of its own package
 * (without `.ts`), or packages by name. The one table that fixes the direction of dependencies.
 */
const allowed: Record<string, Record<string, readonly string[]>> = {
  slimdata: {
    raft: [],
    log: ['raft', 'logger'],
    'state-machine': ['raft', 'msgpackr'],
    peers: ['raft', 'logger'],
    checkpoint: ['raft', 'state-machine', 'logger', 'level'],
    replica: ['raft', 'log', 'state-machine', 'checkpoint', 'peers', 'store', 'errors', 'logger'],
    storage: ['raft', 'log', 'checkpoint', 'state-machine', 'logger'],
    store: ['raft', 'state-machine'],
    errors: [],
    logger: [],
    config: ['member'],
    'store-api': ['peers', 'raft', 'state-machine', 'store', 'errors', 'logger'],
    member: ['raft', 'peers', 'replica', 'storage', 'store-api', 'store', 'logger'],
    index: ['*'],
  },
  jobs: {
    model: ['zod', 'jsonc-parser'],
    runner: ['model'],
    queue: ['model', '@slimfaas/slimdata', 'msgpackr', 'zod'],
    dispatch: ['model', 'queue', 'runner', '@slimfaas/slimdata'],
    api: [
      'model',
      'queue',
      'dispatch',
      'runner',
      'errors',
      '@slimfaas/slimdata',
      'koa',
      '@koa/router',
      'prom-client',
    ],
    local: ['runner'],
    errors: ['model'],
    config: ['model'],
    log: ['config', 'queue', '@slimfaas/slimdata', 'pino'],
    metrics: ['api', 'queue', '@slimfaas/slimdata', 'prom-client'],
    service: ['*'],
    serve: ['service', 'config', 'log', 'model', '@slimfaas/slimdata'],
    commands: ['@slimfaas/slimdata'],
    main: ['serve', 'local', 'commands', 'commander'],
    index: ['*'],
  },
};

/** Files that alone may read `process.env`; everything else is handed its configuration. */
const environmentReaders = ['serve.ts', 'local/local.ts', 'runner/process/supervisor.ts'];

interface SourceFile {
  /** Path below `src`, with `/`. */
  readonly name: string;
  readonly text: string;
}

function sourceFiles(folder: string): SourceFile[] {
  const root = path.join('packages', folder, 'src');
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ name, text: readFileSync(path.join(root, name), 'utf8') }));
}

const importPattern = /^(?:import|export)\s[^;]*?from '([^']+)';|\bimport\('([^']+)'\)/gm;

function imports(file: SourceFile): string[] {
  return [...file.text.matchAll(importPattern)].map(([, from, lazily]) => from ?? lazily ?? '');
}

/** The text without its comments. */
const codeOf = (file: SourceFile): string => file.text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');

/** `raft/quorum.ts` belongs to `raft`, `store.ts` to `store`. */
const layerOf = (name: string): string => (name.split('/')[0] ?? '').replace(/\.ts$/, '');

/** The layer that an import leads to, a package's name, or null for `node:` modules. */
function target(file: SourceFile, from: string): string | null {
  if (from.startsWith('node:')) {
    return null;
  }
  return from.startsWith('.') ? layerOf(path.posix.join(path.posix.dirname(file.name), from)) : from;
}

describe('architecture', () => {
  for (const [folder, layers] of Object.entries(allowed)) {
    const files = sourceFiles(folder);

    it(`every source file of ${folder} belongs to a layer of the table`, () => {
      expect([...new Set(files.map((file) => layerOf(file.name)))]).to.have.members(Object.keys(layers));
    });

    for (const [layer, targets] of Object.entries(layers)) {
      it(`${folder}/${layer} imports only what the table allows`, () => {
        for (const file of files.filter(({ name }) => layerOf(name) === layer)) {
          const seen = imports(file).map((from) => target(file, from));
          const refused = seen.filter((to) => to !== null && to !== layer && !targets.includes(to));
          expect(targets.includes('*') ? [] : refused, `packages/${folder}/src/${file.name}`).to.deep.equal(
            [],
          );
        }
      });
    }

    it(`${folder} reads the environment only at its edge`, () => {
      const readers = files.filter(({ text }) => text.includes('process.env')).map(({ name }) => name);
      expect(environmentReaders).to.include.members(readers);
    });
  }

  it('the core reads no clock and no randomness', () => {
    const forbidden = /Date\.|performance\.|Math\.random|setTimeout|setInterval|setImmediate|Promise/;
    for (const file of sourceFiles('slimdata').filter(({ name }) => /^(raft|state-machine)\//.test(name))) {
      expect(codeOf(file), file.name).not.to.match(forbidden);
    }
  });

  it('no file carries a postponed task', () => {
    for (const { name, text } of Object.keys(allowed).flatMap(sourceFiles)) {
      expect(text, name).not.to.match(/\b(TODO|FIXME|XXX)\b/);
    }
  });

  it('the lock file names no host', () => {
    expect(readFileSync('package-lock.json', 'utf8')).not.to.match(/"resolved":\s*"https?:/);
  });
});
