/** Longest key that a suggestion is sought for; bounds the work on hostile input. */
const keyLengthMax = 64;

/** The known key that was probably meant, or null when none is near. Case and separators do not count. */
export function nearestKey(key: string, known: readonly string[]): string | null {
  if (key.length > keyLengthMax) return null;
  const asked = plain(key);
  let nearest: string | null = null;
  let least = Math.floor(asked.length / 3) + 1;
  for (const candidate of known) {
    const distance = editDistance(asked, plain(candidate), least);
    if (distance < least) {
      nearest = candidate;
      least = distance;
    }
  }
  return nearest;
}

function plain(key: string): string {
  return key.toLowerCase().replaceAll(/[-_\s]/g, '');
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`; `enough` when at least that. */
function editDistance(a: string, b: string, enough: number): number {
  if (Math.abs(a.length - b.length) >= enough) return enough;
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const cost = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    rows.push(current);
    for (let column = 1; column <= b.length; column += 1) {
      const isSame = a[row - 1] === b[column - 1];
      const isSwap = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      current[column] = Math.min(
        cost(row - 1, column) + 1,
        cost(row, column - 1) + 1,
        cost(row - 1, column - 1) + (isSame ? 0 : 1),
        isSwap ? cost(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
  }
  return cost(a.length, b.length);
}
