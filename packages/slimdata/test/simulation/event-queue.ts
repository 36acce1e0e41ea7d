interface Scheduled {
  readonly at: number;
  readonly sequence: number;
  readonly action: () => void;
}

function isBefore(left: Scheduled, right: Scheduled): boolean {
  return left.at === right.at ? left.sequence < right.sequence : left.at < right.at;
}

/** Virtual time: actions run in order of their time, and in order of scheduling where times are equal. */
export class EventQueue {
  readonly #heap: Scheduled[] = [];
  #sequence = 0;
  #now = 0;

  /** The time of the action that runs now. */
  get now(): number {
    return this.#now;
  }

  get length(): number {
    return this.#heap.length;
  }

  /** Runs `action` after `delay` units of virtual time. */
  schedule(delay: number, action: () => void): void {
    const heap = this.#heap;
    const added: Scheduled = { at: this.#now + delay, sequence: this.#sequence++, action };
    let hole = heap.length;
    heap.push(added);
    while (hole > 0) {
      const parentAt = (hole - 1) >> 1;
      const parent = heap[parentAt] as Scheduled;
      if (isBefore(parent, added)) {
        break;
      }
      heap[hole] = parent;
      hole = parentAt;
    }
    heap[hole] = added;
  }

  /** Runs the next action. False when there is none. */
  runNext(): boolean {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) {
      return false;
    }
    if (heap.length > 0) {
      this.#sink(last);
    }
    this.#now = first.at;
    first.action();
    return true;
  }

  #sink(moved: Scheduled): void {
    const heap = this.#heap;
    const length = heap.length;
    let hole = 0;
    for (;;) {
      let childAt = 2 * hole + 1;
      if (childAt >= length) {
        break;
      }
      const right = childAt + 1;
      if (right < length && isBefore(heap[right] as Scheduled, heap[childAt] as Scheduled)) {
        childAt = right;
      }
      const child = heap[childAt] as Scheduled;
      if (isBefore(moved, child)) {
        break;
      }
      heap[hole] = child;
      hole = childAt;
    }
    heap[hole] = moved;
  }
}
