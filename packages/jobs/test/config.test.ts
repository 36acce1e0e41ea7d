import { expect } from 'chai';
import { describe, it } from 'mocha';
import { parseConfig, type Variables } from '../src/config.ts';
import { formatFaults } from '../src/model/fault.ts';
import { examples } from './model/examples.ts';
import { accepted, refused, sentences } from './model/parsed.ts';

/** A file system of these files alone. */
function configOf(variables: Variables, files: Readonly<Record<string, string>> = {}) {
  return parseConfig(variables, (path) => {
    const text = files[path];
    if (text === undefined) throw new Error(`no such file: ${path}`);
    return text;
  });
}

describe('parseConfig', () => {
  it('has a default for everything', () => {
    const config = accepted(configOf({}));
    expect(config).to.deep.include({
      jobsFile: null,
      orchestrator: 'Process',
      namespace: 'default',
      port: 5000,
      trustedProxies: [],
      internalToken: null,
      processDirectory: './data/runs',
      logLevel: 'info',
      warnings: [],
    });
    expect([...config.jobs.definitions.keys()]).to.deep.equal(['default']);
    expect(Object.isFrozen(config)).to.equal(true);
  });

  it('reads every variable', () => {
    const config = accepted(
      configOf({
        SlimFaas__JobsConfiguration: '{"Configurations": {"abc": {"Command": ["node"]}}} # mine',
        SlimFaas__Orchestrator: 'process',
        SlimFaas__Namespace: 'jobs',
        SlimFaas__Port: '0',
        SlimFaas__TrustedProxies: '10.0.0.0/8, 192.168.1.1 ::1,fd00::/8',
        SlimFaas__InternalToken: 'opensesame',
        SlimFaas__ProcessDirectory: '/var/runs',
        SlimFaas__LogLevel: 'Debug',
      }),
    );
    expect(config).to.deep.include({
      namespace: 'jobs',
      port: 0,
      trustedProxies: ['10.0.0.0/8', '192.168.1.1', '::1', 'fd00::/8'],
      internalToken: 'opensesame',
      processDirectory: '/var/runs',
      logLevel: 'debug',
      warnings: [],
    });
    expect(config.jobs.definitions.get('abc')?.command).to.deep.equal(['node']);
  });

  it('reads files, trimming one line end of a token', () => {
    const variables = {
      SlimFaas__JobsConfigurationFile: '/jobs.json',
      SlimFaas__InternalTokenFile: '/token',
    };
    const namespaceFile = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';
    const files = {
      '/jobs.json': examples.explanation,
      '/token': 'opensesame\n',
      [namespaceFile]: 'slimfaas-demo\n',
    };
    const config = accepted(configOf(variables, files));
    expect(config).to.include({
      jobsFile: '/jobs.json',
      internalToken: 'opensesame',
      namespace: 'slimfaas-demo',
    });
    expect([...config.jobs.definitions.keys()]).to.deep.equal(['fibonacci', 'default']);
    expect(refused(configOf(variables, { ...files, '/token': 'opensesame\n\n' }))).to.deep.equal([
      'invalid_value SlimFaas__InternalTokenFile',
    ]);
  });

  it('takes empty variables for unset ones', () => {
    const variables = { SlimFaas__Port: '', SlimFaas__JobsConfiguration: ' ', SlimFaas__InternalToken: '' };
    expect(accepted(configOf(variables))).to.include({ port: 5000, internalToken: null });
  });

  for (const [variables, message] of [
    [
      { SlimFaas__Orchestrator: 'Kubernetes' },
      'This build does not have the orchestrator Kubernetes yet; write Process.',
    ],
    [
      { SlimFaas__Orchestrator: 'docker' },
      'This build does not have the orchestrator Docker yet; write Process.',
    ],
    [
      { SlimFaas__Orchestrator: 'Nomad' },
      '"Nomad" is not an orchestrator; write one of Auto, Kubernetes, Docker, Process.',
    ],
    [
      { KUBERNETES_SERVICE_HOST: '10.0.0.1' },
      'In a pod it would be Kubernetes, which this build does not have yet; write Process.',
    ],
    [{ SlimFaas__Port: '65536' }, '"65536" is not a port: a whole number from 0 to 65535.'],
    [{ SlimFaas__Port: '5e3' }, '"5e3" is not a port: a whole number from 0 to 65535.'],
    [{ SlimFaas__Namespace: 'My_Jobs' }, '"My_Jobs" is not a namespace: up to 63 of a-z, 0-9 and "-".'],
    [
      { SlimFaas__TrustedProxies: '10.0.0.0/33' },
      '"10.0.0.0/33" is not an address or range like "10.0.0.0/8".',
    ],
    [{ SlimFaas__TrustedProxies: '::/129' }, '"::/129" is not an address or range like "10.0.0.0/8".'],
    [{ SlimFaas__TrustedProxies: 'proxy' }, '"proxy" is not an address or range like "10.0.0.0/8".'],
    [
      { SlimFaas__TrustedProxies: '10.0.0.0/8/8' },
      '"10.0.0.0/8/8" is not an address or range like "10.0.0.0/8".',
    ],
    [
      { SlimFaas__LogLevel: 'loud' },
      '"loud" is not a log level; write one of trace, debug, info, warn, error, fatal, silent.',
    ],
    [{ SlimFaas__InternalTokenFile: '/none' }, 'The file "/none" cannot be read: no such file: /none'],
    [
      { SlimFaas__InternalToken: 'a', SlimFaas__InternalTokenFile: '/token' },
      'SlimFaas__InternalToken is set too; keep one of them.',
    ],
    [
      { SlimFaas__JobsConfiguration: '{}', SlimFaas__JobsConfigurationFile: '/jobs.json' },
      'SlimFaas__JobsConfiguration is set too; keep one of them.',
    ],
  ] as const) {
    it(`refuses ${JSON.stringify(variables)}, saying why`, () => {
      expect(sentences(configOf(variables))).to.equal(message);
    });
  }

  it('reports all faults at once, those of the jobs included', () => {
    const parsed = configOf({
      SlimFaas__JobsConfiguration: '{"Configurations": {"abc": {"Imge": 1}, "abd": {"Image": 2}}}',
      SlimFaas__Port: 'x',
      SlimFaas__LogLevel: 'x',
      SlimFaas__InternalToken: 'a b',
    });
    expect(refused(parsed)).to.deep.equal([
      'unknown_key Configurations.abc.Imge',
      'invalid_value Configurations.abd.Image',
      'invalid_value SlimFaas__Port',
      'invalid_value SlimFaas__InternalToken',
      'invalid_value SlimFaas__LogLevel',
    ]);
  });

  it('names the variable or the file of a configuration that is not JSON', () => {
    const inline = configOf({ SlimFaas__JobsConfiguration: '{' });
    expect(refused(inline)).to.deep.equal(['malformed_json SlimFaas__JobsConfiguration']);
    const file = configOf({ SlimFaas__JobsConfigurationFile: '/jobs.json' }, { '/jobs.json': '' });
    expect(refused(file)).to.deep.equal(['malformed_json SlimFaas__JobsConfigurationFile']);
  });

  it('never repeats a token or an environment value', () => {
    const parsed = configOf({
      SlimFaas__InternalToken: 'hunter2 \u00e9',
      SlimFaas__JobsConfiguration:
        '{"Configurations": {"abc": {"Environments": [{"Name": "A", "Value": ["hunter2"]}]}}}',
    });
    if (parsed.ok) expect.fail('accepted');
    expect(parsed.faults).to.have.length(2);
    expect(formatFaults(parsed.faults)).to.not.include('hunter2');
  });

  it('warns of a variable that is probably misspelt, and lets unrelated ones be', () => {
    const variables = {
      SlimFaas__JobConfiguration: '{}',
      SLIMFAAS__PORT: '1',
      SlimFaas__Frobnicate: 'x',
      Other__Port: '1',
    };
    expect(accepted(configOf(variables)).warnings).to.deep.equal([
      'Nothing reads the variable "SlimFaas__JobConfiguration"; did you mean "SlimFaas__JobsConfiguration"?',
      'Nothing reads the variable "SLIMFAAS__PORT"; did you mean "SlimFaas__Port"?',
    ]);
  });

  it('warns of a job that the Process orchestrator cannot run', () => {
    const { warnings } = accepted(configOf({ SlimFaas__JobsConfiguration: examples.configMap }));
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.match(/^Job "fibonacci" cannot run: .*set Command/);
  });
});
