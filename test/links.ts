import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `there` is what the dialing member says, `back` what it is answered on the same connection. */
export type Direction = 'there' | 'back';

const directions: readonly Direction[] = ['there', 'back'];

/** What waits in a link beyond this keeps the sender from sending more. */
const heldBytesMax = 1024 * 1024;

/** What a network does to one connection in one direction. */
class Pipe {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #delayMs: () => number;
  readonly #isHeld: () => boolean;
  readonly #waiting: { readonly chunk: Buffer; readonly dueAt: number }[] = [];
  #waitingBytes = 0;
  #hasEnded = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(source: Socket, target: Socket, delayMs: () => number, isHeld: () => boolean) {
    this.#source = source;
    this.#target = target;
    this.#delayMs = delayMs;
    this.#isHeld = isHeld;
    source.on('data', (chunk) => this.#take(chunk));
    source.once('close', () => {
      this.#hasEnded = true;
      this.pass();
    });
    // A broken connection closes; that says all.
    source.on('error', () => source.destroy());
  }

  #take(chunk: Buffer): void {
    this.#waiting.push({ chunk, dueAt: performance.now() + this.#delayMs() });
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes > heldBytesMax) {
      this.#source.pause();
    }
    this.pass();
  }

  /** Passes on what is due; a held pipe keeps everything, also the news that the other end is gone. */
  pass(): void {
    clearTimeout(this.#timer ?? undefined);
    if (this.#isHeld()) {
      return;
    }
    const now = performance.now();
    for (let next = this.#waiting[0]; next !== undefined && next.dueAt <= now; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#waitingBytes -= next.chunk.length;
      this.#target.write(next.chunk);
    }
    if (this.#waitingBytes <= heldBytesMax) {
      this.#source.resume();
    }
    const [first] = this.#waiting;
    if (first !== undefined) {
      this.#timer = setTimeout(() => this.pass(), first.dueAt - now + 1);
    } else if (this.#hasEnded) {
      this.#target.destroy();
    }
  }

  close(): void {
    clearTimeout(this.#timer ?? undefined);
    this.#source.destroy();
  }
}

/** A TCP proxy through which one member dials another. */
export class Link implements AsyncDisposable {
  readonly #server: Server;
  readonly #connections = new Set<readonly Pipe[]>();
  readonly #held = new Set<Direction>();
  #delayMs = 0;
  #isCut = false;

  private constructor(targetPort: number) {
    this.#server = createServer((near) => this.#accept(near, targetPort));
  }

  static async open(targetPort: number): Promise<Link> {
    const link = new Link(targetPort);
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #accept(near: Socket, targetPort: number): void {
    if (this.#isCut) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(targetPort, '127.0.0.1');
    for (const socket of [near, far]) {
      socket.setNoDelay();
    }
    const delayMs = (): number => this.#delayMs;
    const pipes = [
      new Pipe(near, far, delayMs, () => this.#held.has('there')),
      new Pipe(far, near, delayMs, () => this.#held.has('back')),
    ];
    this.#connections.add(pipes);
    const closed = (): void => {
      if (near.destroyed && far.destroyed) {
        this.#connections.delete(pipes);
      }
    };
    near.once('close', closed);
    far.once('close', closed);
  }

  /**
   * Keeps everything that comes from now on, in one direction or both, until `heal` delivers it: a network that loses
   * packets looks so to programs, because TCP sends again. Connections stay, and new ones can be made.
   */
  hold(...held: readonly Direction[]): void {
    for (const direction of held.length === 0 ? directions : held) {
      this.#held.add(direction);
    }
  }

  /** Breaks all connections and refuses new ones; what was on its way is lost. */
  cut(): void {
    this.#isCut = true;
    this.#closeConnections();
  }

  /** What comes from now on takes so long each way; order is kept. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Passes on what was held, and works again. */
  heal(): void {
    this.#isCut = false;
    this.#delayMs = 0;
    this.#held.clear();
    for (const pipe of [...this.#connections].flat()) {
      pipe.pass();
    }
  }

  #closeConnections(): void {
    for (const pipe of [...this.#connections].flat()) {
      pipe.close();
    }
    this.#connections.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export interface Endpoint {
  readonly name: string;
  readonly port: number;
}

/** One link per member and peer: each member is told other addresses of its peers, all of them ours. */
export class Links implements AsyncDisposable {
  readonly #endpoints: readonly Endpoint[];
  readonly #links: ReadonlyMap<string, Link>;

  private constructor(endpoints: readonly Endpoint[], links: ReadonlyMap<string, Link>) {
    this.#endpoints = endpoints;
    this.#links = links;
  }

  static async open(endpoints: readonly Endpoint[]): Promise<Links> {
    const links = new Map<string, Link>();
    for (const from of endpoints) {
      for (const to of endpoints.filter((endpoint) => endpoint !== from)) {
        links.set(`${from.name}>${to.name}`, await Link.open(to.port));
      }
    }
    return new Links(endpoints, links);
  }

  /** The members as `name` should know them: itself directly, its peers through the links. */
  addressesFor(name: string): { readonly name: string; readonly url: string }[] {
    return this.#endpoints.map((to) => {
      const url = to.name === name ? `http://127.0.0.1:${to.port}` : this.link(name, to.name).url;
      return { name: to.name, url };
    });
  }

  /** The link over which `from` dials `to`. */
  link(from: string, to: string): Link {
    const link = this.#links.get(`${from}>${to}`);
    if (link === undefined) {
      throw new Error(`no link from "${from}" to "${to}"`);
    }
    return link;
  }

  get all(): readonly Link[] {
    return [...this.#links.values()];
  }

  /** Nothing passes between `name` and the peers until `heal`, which delivers what was sent. */
  hold(name: string, ...peers: readonly string[]): void {
    for (const link of this.#between(name, peers)) {
      link.hold();
    }
  }

  /** Connections between `name` and the peers break, and are refused. */
  cut(name: string, ...peers: readonly string[]): void {
    for (const link of this.#between(name, peers)) {
      link.cut();
    }
  }

  /** Nothing that `name` says arrives at the peers any more; it hears them still. */
  mute(name: string, ...peers: readonly string[]): void {
    for (const peer of this.#othersOf(name, peers)) {
      this.link(name, peer).hold('there');
      this.link(peer, name).hold('back');
    }
  }

  /** Nothing that the peers say arrives at `name` any more; they hear it still. */
  deafen(name: string, ...peers: readonly string[]): void {
    for (const peer of this.#othersOf(name, peers)) {
      this.link(peer, name).hold('there');
      this.link(name, peer).hold('back');
    }
  }

  heal(): void {
    for (const link of this.all) {
      link.heal();
    }
  }

  /** Both links with each peer. */
  #between(name: string, peers: readonly string[]): readonly Link[] {
    return this.#othersOf(name, peers).flatMap((peer) => [this.link(name, peer), this.link(peer, name)]);
  }

  /** The peers that are named; all when none is. */
  #othersOf(name: string, peers: readonly string[]): readonly string[] {
    return peers.length > 0
      ? peers
      : this.#endpoints.map((endpoint) => endpoint.name).filter((other) => other !== name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((link) => link[Symbol.asyncDispose]()));
  }
}
