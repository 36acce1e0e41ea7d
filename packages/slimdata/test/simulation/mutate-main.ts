/** `npm run mutate`: puts known mistakes into the members, one at a time, and shows which check finds each. */
import { findMutation } from './find-mutation.ts';
import { mutations } from './mutations.ts';

let caught = 0;
for (const mutation of mutations) {
  const failure = findMutation(mutation);
  caught += failure === null ? 0 : 1;
  const found = failure === null ? 'NOT CAUGHT' : `"${failure.invariant}", seed ${failure.seed}`;
  process.stdout.write(`a member that ${mutation.name}: ${found}\n`);
}
process.stdout.write(`${caught} of ${mutations.length} caught\n`);
process.exitCode = caught === mutations.length ? 0 : 1;
