import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { waitFor } from './cluster.ts';
import { Links } from './links.ts';

/** A socket and all that it has received. */
class Caller {
  readonly socket: Socket;
  received = '';

  constructor(url: string) {
    this.socket = connect(Number(new URL(url).port), '127.0.0.1');
    this.socket.on('data', (chunk: Buffer) => {
      this.received += chunk.toString();
    });
    this.socket.on('error', () => this.socket.destroy());
  }

  async waitToClose(): Promise<void> {
    await waitFor('the end of the connection', 2000, async () => this.socket.closed);
  }

  async waitToReceive(text: string): Promise<void> {
    await waitFor(`"${text}"`, 2000, async () => this.received === text);
  }
}

function portOf(server: Server | undefined): number {
  return (server?.address() as AddressInfo | undefined)?.port ?? 0;
}

describe('links', () => {
  let servers: Server[] = [];
  let links: Links;
  const heard = new Map<string, string>();
  const callers: Caller[] = [];

  /** Each member answers what it hears. */
  beforeEach(async () => {
    heard.clear();
    const names = ['a', 'b', 'c'];
    servers = names.map((name) =>
      createServer((socket) => {
        socket.on('error', () => socket.destroy());
        socket.on('data', (chunk: Buffer) => {
          heard.set(name, (heard.get(name) ?? '') + chunk.toString());
          socket.write(chunk);
        });
      }).listen(0, '127.0.0.1'),
    );
    await Promise.all(servers.map((server) => once(server, 'listening')));
    links = await Links.open(names.map((name, n) => ({ name, port: portOf(servers[n]) })));
  });

  afterEach(async () => {
    for (const { socket } of callers.splice(0)) {
      socket.destroy();
    }
    await links[Symbol.asyncDispose]();
    await Promise.all(servers.map((server) => once(server.close(), 'close')));
  });

  function call(from: string, to: string): Caller {
    const caller = new Caller(links.link(from, to).url);
    callers.push(caller);
    return caller;
  }

  async function talk(caller: Caller, text: string): Promise<void> {
    const before = caller.received;
    caller.socket.write(text);
    await caller.waitToReceive(before + text);
  }

  it('gives each member an own address of each peer, and its own directly', () => {
    const urls = ['a', 'b', 'c'].flatMap((name) => links.addressesFor(name).map(({ url }) => url));
    expect(new Set(urls).size).to.equal(9);
    const [own] = links.addressesFor('a');
    expect(own?.url).to.equal(`http://127.0.0.1:${portOf(servers[0])}`);
  });

  it('passes both ways while nothing is wrong, and the end of a connection', async () => {
    const caller = call('a', 'b');
    await talk(caller, 'one');
    caller.socket.end();
    await caller.waitToClose();
  });

  it('holds what is said, and delivers it in order when healed', async () => {
    const [held, free] = [call('a', 'b'), call('b', 'c')];
    await talk(held, 'before ');
    links.hold('a');
    held.socket.write('held ');
    held.socket.write('back');
    await talk(free, 'others talk on');
    expect(heard.get('b')).to.equal('before ');
    links.heal();
    await held.waitToReceive('before held back');
  });

  it('mutes one member, whoever dialed', async () => {
    const [dialed, dialing] = [call('a', 'b'), call('b', 'a')];
    await talk(dialed, '1');
    await talk(dialing, '1');
    links.mute('a', 'b');
    dialed.socket.write('2');
    dialing.socket.write('2');
    await waitFor('a to hear b', 2000, async () => heard.get('a') === '12');
    expect([heard.get('b'), dialing.received, dialed.received]).to.deep.equal(['1', '1', '1']);
    links.heal();
    await dialed.waitToReceive('12');
    await dialing.waitToReceive('12');
  });

  it('deafens one member, whoever dialed', async () => {
    const [dialed, dialing] = [call('a', 'b'), call('b', 'a')];
    await talk(dialed, '1');
    await talk(dialing, '1');
    links.deafen('a', 'b');
    dialed.socket.write('2');
    dialing.socket.write('2');
    await waitFor('b to hear a', 2000, async () => heard.get('b') === '12');
    expect([heard.get('a'), dialing.received, dialed.received]).to.deep.equal(['1', '1', '1']);
    links.heal();
    await dialed.waitToReceive('12');
    await dialing.waitToReceive('12');
  });

  it('breaks connections and refuses new ones until healed', async () => {
    const caller = call('a', 'b');
    await talk(caller, 'one');
    links.cut('b');
    await caller.waitToClose();
    await call('a', 'b').waitToClose();
    await talk(call('a', 'c'), 'others');
    links.heal();
    await talk(call('a', 'b'), 'two');
  });

  it('is slow each way by what it is told', async () => {
    const caller = call('a', 'b');
    await talk(caller, '1');
    links.link('a', 'b').slow(60);
    const begin = performance.now();
    await talk(caller, '2');
    expect(performance.now() - begin).to.be.at.least(120);
  });
});
