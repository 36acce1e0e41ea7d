import type { PeerIdentity } from '../../src/peers/admission.ts';
import {
  type HttpTransport,
  type HttpTransportOptions,
  openHttpTransport,
} from '../../src/peers/http-transport.ts';
import type { MetPeer, PeerMessage, TransportEvents } from '../../src/peers/peer-message.ts';
import { Journal } from './journal.ts';

interface Received {
  readonly from: PeerIdentity;
  readonly message: PeerMessage;
}

interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A transport together with all it said. */
export interface TestMember extends AsyncDisposable {
  readonly name: string;
  readonly transport: HttpTransport;
  readonly url: string;
  readonly received: Journal<Received>;
  readonly unreachable: Journal<string>;
  readonly met: Journal<MetPeer>;
  readonly refused: Journal<readonly [peer: string, status: number, detail: string]>;
  readonly log: Journal<LogLine>;
  /** Resolves once both lanes to the peer are taken by it. */
  connectedTo(peer: string): Promise<void>;
}

/** Any option may be set, and any callback replaced. */
export type TestOptions = Partial<Omit<HttpTransportOptions, 'events'>> & {
  readonly events?: Partial<TransportEvents>;
};

/** Dead links are noticed after some 150 ms; redials come after 5-20 ms. */
const quickLimits = {
  checkIntervalMs: 25,
  redialDelayMs: 10,
  redialDelayMsMax: 20,
} as const;

export async function openTestMember(
  name: string,
  { events, ...options }: TestOptions = {},
): Promise<TestMember> {
  const received = new Journal<Received>();
  const unreachable = new Journal<string>();
  const met: TestMember['met'] = new Journal();
  const refused: TestMember['refused'] = new Journal();
  const log = new Journal<LogLine>();
  const line = (level: LogLine['level']) => (facts: object, event: string) =>
    log.add({ level, event, facts: { ...facts } });
  const transport = await openHttpTransport({
    member: name,
    peers: [],
    host: '127.0.0.1',
    port: 0,
    clusterId: 'cluster-1',
    diskId: `disk-of-${name}`,
    clusterSecret: 'a shared secret',
    events: {
      onMessage: (from, message) => received.add({ from, message }),
      onUnreachable: (peer) => unreachable.add(peer),
      onMet: (peer) => met.add(peer),
      onRefused: (...refusal) => refused.add(refusal),
      ...events,
    },
    logger: { info: line('info'), warn: line('warn'), error: line('error') },
    random: () => 0.5,
    ...options,
    limits: { ...quickLimits, ...options.limits },
  });
  const isOpened = (lane: string, peer: string) => (lines: readonly LogLine[]) =>
    lines.some(
      ({ event, facts }) =>
        event === 'peer_stream_opened' && facts['lane'] === lane && facts['peer'] === peer,
    );
  return {
    name,
    transport,
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${transport.port}`,
    received,
    unreachable,
    met,
    refused,
    log,
    connectedTo: async (peer) => {
      await log.until(isOpened('bulk', peer));
      await log.until(isOpened('control', peer));
    },
    [Symbol.asyncDispose]: () => transport.close(),
  };
}

/** Makes all members peers of each other and waits until every stream is up. */
export async function connectAll(members: readonly TestMember[]): Promise<void> {
  for (const member of members) {
    const peers = members.filter((other) => other !== member);
    member.transport.setPeers(peers.map(({ name, url }) => ({ name, url })));
  }
  for (const member of members) {
    for (const other of members) {
      await (other === member ? Promise.resolve() : member.connectedTo(other.name));
    }
  }
}

/** Opens members that share a cluster and connects them. */
export async function openCluster(
  names: readonly string[],
  options: TestOptions = {},
): Promise<{ readonly members: readonly TestMember[] } & AsyncDisposable> {
  const members = await Promise.all(names.map((name) => openTestMember(name, options)));
  await connectAll(members);
  return {
    members,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(members.map((member) => member.transport.close()));
    },
  };
}
