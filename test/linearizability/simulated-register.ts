import type { Operation } from './model.ts';
import type { RegisterInput, RegisterOutput, RegisterValue } from './register-model.ts';

/** One call to a simulated register, times in steps of its client. */
export interface PlannedCall {
  readonly client: number;
  readonly input: RegisterInput;
  /** Pause since the client's last call. */
  readonly pause: number;
  /** From the call to the instant at which it takes effect, and from there to the answer. */
  readonly before: number;
  readonly after: number;
  /** No answer arrives. */
  readonly isUnheard: boolean;
}

/** What the simulated register does wrong with the call at the position. */
export type RegisterFault = 'none' | 'stale read' | 'lost write' | 'double apply';

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

/** From an answer to the moment at which a double apply shows. */
const repeatDelay = 20;

interface Timed extends PlannedCall {
  readonly position: number;
  readonly invokedAt: number;
  readonly effectAt: number;
}

/**
 * The history of clients who make the planned calls to one register in which each call takes effect at one instant
 * between call and answer: linearizable by construction, unless the call at `faultyPosition` goes wrong: a read that
 * answers what was true before the last change, an acknowledged write that never took effect, a write that took effect
 * once more after its answer.
 */
export function simulateRegister(
  plan: readonly PlannedCall[],
  fault: RegisterFault = 'none',
  faultyPosition = -1,
): RegisterOperation[] {
  const effects = schedule(plan).flatMap((call) => effectsOf(call, fault, faultyPosition));
  effects.sort((a, b) => a.at - b.at || a.call.position - b.call.position);
  const outputs = new Map<number, RegisterOutput>();
  let value: RegisterValue = null;
  let valueBefore: RegisterValue = null;
  for (const { call, isRepeat, isLost, isStale } of effects) {
    const { input, position } = call;
    const { output, next } = take(input, input.call === 'read' && isStale ? valueBefore : value);
    if (!isRepeat) {
      outputs.set(position, output);
    }
    if (input.call !== 'read' && !isLost && next !== value) {
      valueBefore = value;
      value = next;
    }
  }
  return schedule(plan).map(({ client, input, isUnheard, position, invokedAt, effectAt, after }) => ({
    client: String(client),
    key: 'x',
    input,
    output: isUnheard ? undefined : outputs.get(position),
    invokedAt,
    returnedAt: isUnheard ? Number.POSITIVE_INFINITY : effectAt + after,
  }));
}

interface Effect {
  readonly call: Timed;
  readonly at: number;
  readonly isRepeat: boolean;
  readonly isLost: boolean;
  readonly isStale: boolean;
}

function effectsOf(call: Timed, fault: RegisterFault, faultyPosition: number): Effect[] {
  const isFaulty = call.position === faultyPosition;
  const effect: Effect = {
    call,
    at: call.effectAt,
    isRepeat: false,
    isLost: isFaulty && fault === 'lost write',
    isStale: isFaulty && fault === 'stale read',
  };
  const isRepeated = isFaulty && fault === 'double apply' && call.input.call !== 'read';
  return isRepeated
    ? [effect, { ...effect, at: call.effectAt + call.after + repeatDelay, isRepeat: true }]
    : [effect];
}

function schedule(plan: readonly PlannedCall[]): Timed[] {
  const freeAt = new Map<number, number>();
  return plan.map((call, position) => {
    const invokedAt = (freeAt.get(call.client) ?? 0) + call.pause;
    const effectAt = invokedAt + call.before;
    freeAt.set(call.client, effectAt + call.after + 1);
    return { ...call, position, invokedAt, effectAt };
  });
}

function take(input: RegisterInput, value: RegisterValue): { output: RegisterOutput; next: RegisterValue } {
  switch (input.call) {
    case 'read':
      return { output: { value }, next: value };
    case 'write':
      return { output: 'applied', next: input.value };
    case 'cas':
      return value === input.expected
        ? { output: 'applied', next: input.value }
        : { output: 'refused', next: value };
  }
}
