import { setTimeout as delay } from 'node:timers/promises';
import { History, type Outcome } from './linearizability/history.ts';
import type { RegisterInput, RegisterOutput, RegisterValue } from './linearizability/register-model.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { StoreCluster, StoreProcess, StoreReply } from './store-cluster.ts';
import type { StoreCall } from './store-member.ts';

/** Registers in use at once, and calls to each before a new one takes its place: keeps what is checked short. */
const activeKeys = 3;
const callsPerKey = 150;
/** A client that is not answered goes on after so long; an answer that comes later still counts. */
const patienceMs = 300;
const deadlineMs = 1000;
const thinkMsMax = 8;
/** After a call that was not answered, so many go to other members. */
const callsSpared = 20;

/** `unavailable` and the like promise that nothing was applied; the checker sees whether that is true. */
export const storeRefusals: readonly string[] = ['unavailable', 'overloaded', 'closed', 'not_sent'];
const unknowns: readonly string[] = ['timeout', 'lost'];

/** What a client knows of a register. */
interface SeenRegister {
  readonly version: number;
  readonly value: RegisterValue;
}

/** Clients of a store cluster who read, write, delete and compare-and-set registers through all members. */
export class StoreClients {
  readonly history = new History<RegisterInput, RegisterOutput>();
  /** What no reply may ever be; must stay empty. */
  readonly violations: string[] = [];
  readonly #cluster: StoreCluster;
  readonly #random: SeededRandom;
  readonly #keys: string[] = [];
  readonly #callsOfKey = new Map<string, number>();
  /** What each version of a key was seen to hold: one applied write, one version. */
  readonly #versions = new Map<string, RegisterValue>();
  readonly #versionOfValue = new Map<string, number>();
  #calls = 0;
  #applied = 0;

  constructor(cluster: StoreCluster, random: SeededRandom) {
    this.#cluster = cluster;
    this.#random = random;
  }

  /** Writes that were acknowledged. */
  get applied(): number {
    return this.#applied;
  }

  /** Works until the signal fires. */
  async run(clients: number, signal: AbortSignal): Promise<void> {
    await Promise.all(Array.from({ length: clients }, (_, n) => this.#client(`client ${n}`, signal)));
  }

  /** A look at every register through every member. */
  async readAll(): Promise<void> {
    for (const key of this.#callsOfKey.keys()) {
      await Promise.all(
        this.#cluster.members.map((member) => this.#read(`last look at ${member.name}`, member, key)),
      );
    }
  }

  async #client(name: string, signal: AbortSignal): Promise<void> {
    const seen = new Map<string, SeenRegister>();
    /** The member that did not answer, and how many calls it is spared. */
    let avoided: { readonly member: StoreProcess; readonly untilCall: number } | null = null;
    for (let n = 0; !signal.aborted; n += 1) {
      await delay(this.#random.between(0, thinkMsMax));
      const spared: StoreProcess | null = avoided !== null && n < avoided.untilCall ? avoided.member : null;
      const member: StoreProcess = this.#random.pick(this.#cluster.members.filter((one) => one !== spared));
      const call = this.#callSomething(`${name}.${n}`, member, seen).then(() => true);
      const isAnswered = await Promise.race([call, delay(patienceMs, false)]);
      if (!isAnswered) {
        avoided = { member, untilCall: n + callsSpared };
      }
    }
  }

  /** One call; `name` is also the value it writes, which no other call does. */
  async #callSomething(name: string, member: StoreProcess, seen: Map<string, SeenRegister>): Promise<void> {
    const key = this.#chooseKey();
    const known = seen.get(key);
    const dice = this.#random.fraction();
    if (dice < 0.45 || (known === undefined && dice < 0.8)) {
      const read = await this.#read(name, member, key);
      if (read !== null) {
        seen.set(key, read);
      }
      return;
    }
    await this.#write(name, member, key, dice < 0.95 ? name : null, dice < 0.8 ? known : undefined);
  }

  #chooseKey(): string {
    while (this.#keys.length < activeKeys) {
      const key = `register ${this.#callsOfKey.size}`;
      this.#callsOfKey.set(key, 0);
      this.#keys.push(key);
    }
    const key = this.#random.pick(this.#keys);
    const calls = (this.#callsOfKey.get(key) ?? 0) + 1;
    this.#callsOfKey.set(key, calls);
    if (calls >= callsPerKey) {
      this.#keys.splice(this.#keys.indexOf(key), 1);
    }
    return key;
  }

  async #read(client: string, member: StoreProcess, key: string): Promise<SeenRegister | null> {
    const end = this.history.begin(this.#nameOf(client), key, { call: 'read' });
    const reply = await member.call({ call: 'read', key }, deadlineMs);
    if (!('value' in reply)) {
      // A read without an answer changed nothing.
      end('nothing');
      this.#noteError(member, reply);
      return null;
    }
    end({ output: { value: reply.value } });
    this.#noteVersion(member, key, reply.version, reply.value);
    return reply;
  }

  async #write(
    client: string,
    member: StoreProcess,
    key: string,
    value: RegisterValue,
    expected: SeenRegister | undefined,
  ): Promise<void> {
    const input: RegisterInput =
      expected === undefined ? { call: 'write', value } : { call: 'cas', expected: expected.value, value };
    const end = this.history.begin(this.#nameOf(client), key, input);
    const call: StoreCall = { call: 'write', key, value, ifVersion: expected?.version ?? null };
    const reply = await member.call(call, deadlineMs);
    end(this.#outcomeOf(member, reply));
    if ('applied' in reply && reply.applied) {
      this.#applied += 1;
      if (value !== null) {
        this.#noteVersion(member, key, reply.index, value);
      }
    }
  }

  #outcomeOf(member: StoreProcess, reply: StoreReply): Outcome<RegisterOutput> {
    if ('applied' in reply) {
      return { output: reply.applied ? 'applied' : 'refused' };
    }
    this.#noteError(member, reply);
    return 'error' in reply && storeRefusals.includes(reply.error) ? 'nothing' : 'unknown';
  }

  #nameOf(client: string): string {
    this.#calls += 1;
    return `${client} (call ${this.#calls})`;
  }

  #noteError(member: StoreProcess, reply: StoreReply): void {
    const isExpected = 'error' in reply && [...storeRefusals, ...unknowns].includes(reply.error);
    if (!isExpected) {
      this.violations.push(`${member.name} answered ${JSON.stringify(reply)}`);
    }
  }

  /** Every value is written once, so value and version name each other; a write that is applied twice has two. */
  #noteVersion(member: StoreProcess, key: string, version: number, value: RegisterValue): void {
    if (value === null) {
      return;
    }
    const before = this.#versions.get(`${key}@${version}`);
    const versionBefore = this.#versionOfValue.get(`${key}=${value}`);
    if ((before ?? value) !== value || (versionBefore ?? version) !== version) {
      const told = `version ${version} of ${key} as "${value}"`;
      const known = `that version was "${before}", that value had version ${versionBefore}`;
      this.violations.push(`${member.name} showed ${told}; ${known}`);
    }
    this.#versions.set(`${key}@${version}`, value);
    this.#versionOfValue.set(`${key}=${value}`, version);
  }
}
