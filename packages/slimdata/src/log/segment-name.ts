/** Segments are named by their number, so that the order of names is the order of the log. */
const pattern = /^(\d{8,10})\.wal$/;

export function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.wal`;
}

/** Name of a segment while it is being filled with zeros; worthless after a crash. */
export function preparedSegmentName(number: number): string {
  return `${segmentName(number)}.new`;
}

export function isPreparedSegmentName(name: string): boolean {
  return name.endsWith('.wal.new');
}

/** Null for a name that is not a segment's. */
export function parseSegmentName(name: string): number | null {
  const digits = pattern.exec(name)?.[1];
  return digits === undefined ? null : Number(digits);
}
