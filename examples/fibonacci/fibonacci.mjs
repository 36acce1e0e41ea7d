// Computes Fibonacci numbers: `node fibonacci.mjs 42 43` prints one line for each argument.

/** The n-th Fibonacci number, exactly, with F(0) = 0 and F(1) = 1. */
function fibonacci(n) {
  let [current, next] = [0n, 1n];
  for (let step = 0; step < n; step += 1) {
    [current, next] = [next, current + next];
  }
  return current;
}

const args = process.argv.slice(2);
if (args.length === 0) {
  console.error('Give at least one number, for example: node fibonacci.mjs 42');
  process.exit(2);
}
for (const arg of args) {
  const n = Number(arg);
  if (!Number.isInteger(n) || n < 0 || n > 100_000) {
    console.error(`"${arg}" is not an integer from 0 to 100000.`);
    process.exit(2);
  }
  console.log(`fibonacci(${n}) = ${fibonacci(n)}`);
}
