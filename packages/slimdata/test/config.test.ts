import { expect } from 'chai';
import { describe, it } from 'mocha';
import { type ConfigSystem, parseSlimDataConfig, type SlimDataConfig } from '../src/config.ts';

const system: ConfigSystem = {
  hostname: () => 'host-of-the-system',
  readFile: (path) => {
    if (path === '/run/secret') return ' from the file\n';
    if (path === '/run/empty') return ' \n';
    throw new Error('ENOENT: no such file');
  },
};

type Environment = Readonly<Record<string, string | undefined>>;

const parse = (environment: Environment) => parseSlimDataConfig(environment, system);

const configOf = (environment: Environment): SlimDataConfig => {
  const result = parse(environment);
  if ('faults' in result) throw new Error(JSON.stringify(result.faults));
  return result.config;
};

const faultsOf = (environment: Environment): readonly string[] => {
  const result = parse(environment);
  return 'faults' in result ? result.faults.map(({ path, message }) => `${path}: ${message}`) : [];
};

const three = 'a=http://a.svc:3262,b=http://b.svc:3262,c=http://c.svc:3262';
const local = 'a=http://127.0.0.1:1,b=http://localhost:2';

describe('config', () => {
  it('has a default for everything: a member alone', () => {
    expect(configOf({})).to.deep.equal({
      name: 'host-of-the-system',
      members: [{ name: 'host-of-the-system', url: 'http://127.0.0.1:3262' }],
      directory: './data',
      directoryIsDefault: true,
      host: '127.0.0.1',
      port: 3262,
      clusterSecret: null,
      heartbeatMs: 100,
      electionTimeoutMs: 1_000,
    });
  });

  it('reads every variable', () => {
    const config = configOf({
      HOSTNAME: 'b',
      SlimData__Directory: '/database',
      SlimData__Port: '4000',
      SlimData__Members: ` ${three.replaceAll(',', ' , ')} `,
      SlimData__ClusterSecret: 'secret',
      SlimData__HeartbeatMs: '50',
      SlimData__ElectionTimeoutMs: '400',
      SlimData__Host: '::',
    });
    expect(config).to.deep.equal({
      name: 'b',
      members: ['a', 'b', 'c'].map((name) => ({ name, url: `http://${name}.svc:3262` })),
      directory: '/database',
      directoryIsDefault: false,
      host: '::',
      port: 4000,
      clusterSecret: 'secret',
      heartbeatMs: 50,
      electionTimeoutMs: 400,
    });
  });

  it('is frozen, members included', () => {
    const config = configOf({ HOSTNAME: 'a', SlimData__Members: local });
    for (const part of [config, config.members, ...config.members])
      expect(Object.isFrozen(part)).to.equal(true);
  });

  it('takes an empty variable for one that is not set', () => {
    expect(configOf({ HOSTNAME: '', SlimData__Directory: ' ', SlimData__Port: '' })).to.include({
      name: 'host-of-the-system',
      directory: './data',
      port: 3262,
    });
  });

  it('takes the secret from a file, without the white space around it', () => {
    expect(configOf({ SlimData__ClusterSecretFile: '/run/secret' }).clusterSecret).to.equal('from the file');
  });

  it('listens beyond this machine only where a member is elsewhere', () => {
    const host = (environment: Environment) => configOf({ HOSTNAME: 'a', ...environment }).host;
    expect(host({ SlimData__Members: local })).to.equal('127.0.0.1');
    expect(host({ SlimData__Members: 'a=http://[::1]:1,b=http://[::1]:2' })).to.equal('::1');
    expect(host({ SlimData__Members: three, SlimData__ClusterSecret: 's' })).to.equal('0.0.0.0');
  });

  it('lengthens the default election timeout with the heartbeat', () => {
    expect(configOf({ SlimData__HeartbeatMs: '500' }).electionTimeoutMs).to.equal(5_000);
  });

  it('lets peers on other machines go without a secret only when told so', () => {
    const environment = { HOSTNAME: 'a', SlimData__Members: three };
    expect(faultsOf(environment)).to.deep.equal([
      'SlimData__ClusterSecret: Member "a" is on another machine (http://a.svc:3262) and no secret is set. ' +
        'Set one, or SlimData__AllowUnauthenticatedPeers=true if the network is trusted.',
    ]);
    expect(configOf({ ...environment, SlimData__AllowUnauthenticatedPeers: 'True' }).clusterSecret).to.equal(
      null,
    );
  });

  const faulty: readonly [what: string, environment: Environment, fault: string][] = [
    [
      'a port that is no number',
      { SlimData__Port: '3262x' },
      'SlimData__Port: "3262x" is not a whole number',
    ],
    [
      'a port out of range',
      { SlimData__Port: '65536' },
      'SlimData__Port: "65536" is not a whole number from 1',
    ],
    ['a port of 0', { SlimData__Port: '0' }, 'SlimData__Port: "0" is not'],
    ['a negative heartbeat', { SlimData__HeartbeatMs: '-5' }, 'SlimData__HeartbeatMs: "-5" is not'],
    [
      'an election timeout near the heartbeat',
      { SlimData__HeartbeatMs: '100', SlimData__ElectionTimeoutMs: '299' },
      'SlimData__ElectionTimeoutMs: 299 is too short for SlimData__HeartbeatMs 100: at least 300.',
    ],
    ['a name that no header carries', { HOSTNAME: 'a b' }, 'HOSTNAME: "a b" cannot name a member'],
    ['a member without a url', { HOSTNAME: 'a', SlimData__Members: 'a' }, '"a" is not of the form name=url'],
    [
      'a member without a name',
      { SlimData__Members: '=http://a:1' },
      '"=http://a:1" is not of the form name=url',
    ],
    [
      'a url that is none',
      { HOSTNAME: 'a', SlimData__Members: 'a=a:1:2' },
      '"a:1:2" of member "a" is not a URL',
    ],
    [
      'a url with a path',
      { SlimData__Members: 'a=http://a:1/x' },
      '"http://a:1/x" of member "a" is not a URL',
    ],
    ['a url of another kind', { SlimData__Members: 'a=ftp://a' }, '"ftp://a" of member "a" is not a URL'],
    [
      'a name twice',
      { HOSTNAME: 'a', SlimData__Members: 'a=http://a:1,a=http://b:1' },
      'The name "a" stands there twice',
    ],
    [
      'a url twice',
      { HOSTNAME: 'a', SlimData__Members: 'a=http://a:1,b=http://a:1' },
      'The url "http://a:1" stands',
    ],
    [
      'members without this one',
      { HOSTNAME: 'x', SlimData__Members: local },
      'This member, "x" (HOSTNAME), is not one of',
    ],
    [
      'two secrets',
      { SlimData__ClusterSecret: 's', SlimData__ClusterSecretFile: '/run/secret' },
      'SlimData__ClusterSecret is set too',
    ],
    [
      'a secret file that is missing',
      { SlimData__ClusterSecretFile: '/none' },
      '"/none" cannot be read: ENOENT',
    ],
    ['a secret file that is empty', { SlimData__ClusterSecretFile: '/run/empty' }, '"/run/empty" is empty'],
    [
      'a choice that is none',
      { SlimData__AllowUnauthenticatedPeers: 'yes' },
      '"yes" is neither true nor false',
    ],
  ];

  for (const [what, environment, fault] of faulty) {
    it(`refuses ${what}`, () => {
      expect(faultsOf(environment).join('\n')).to.contain(fault);
    });
  }

  it('reports all faults at once, and never a secret', () => {
    const faults = faultsOf({
      HOSTNAME: 'x',
      SlimData__Port: 'p',
      SlimData__Members: `${three},broken`,
      SlimData__HeartbeatMs: 'h',
      SlimData__ClusterSecret: 'top secret',
      SlimData__ClusterSecretFile: '/run/secret',
    });
    expect(faults.map((fault) => fault.split(':')[0])).to.deep.equal(
      [
        'SlimData__Port',
        'SlimData__Members',
        'SlimData__Members',
        'SlimData__ClusterSecretFile',
        'SlimData__HeartbeatMs',
      ].concat('SlimData__ClusterSecret'),
    );
    expect(faults.join()).to.not.contain('top secret');
  });

  it('reads the real host name and files unless told otherwise', () => {
    const result = parseSlimDataConfig({ SlimData__ClusterSecretFile: '/nowhere/at/all' });
    expect(result).to.have.property('faults').that.has.length(1);
  });
});
