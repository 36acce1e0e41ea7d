/**
 * Kubernetes quantities (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/), exact: a
 * value is `digits * 10^decimal * 2^binary`, never a floating point number.
 */
export interface Quantity {
  /** As the user wrote it. */
  readonly text: string;
  /** The value as an exact fraction: `numerator / denominator`, the denominator positive. */
  readonly numerator: bigint;
  readonly denominator: bigint;
}

const decimalSuffixes: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const binarySuffixes: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };

/** Bounds the arithmetic; Kubernetes itself caps values at 2^63. */
const lengthMax = 64;
const exponentMax = 100;

const form = /^(?<sign>[+-]?)(?<whole>\d*)(?:\.(?<fraction>\d*))?(?<suffix>[a-zA-Z]{0,2}|[eE][+-]?\d+)$/;

/** The quantity, or a sentence that says what is wrong with the text. */
export function parseQuantity(text: string): Quantity | string {
  if (text.length > lengthMax)
    return `a quantity has at most ${lengthMax} characters, this one has ${text.length}`;
  const { sign, whole, fraction = '', suffix } = form.exec(text)?.groups ?? {};
  if (whole === undefined || suffix === undefined || whole + fraction === '') {
    return 'a quantity is a number with an optional suffix, like "250m", "1.5", "400Mi" or "2e3"';
  }
  const scale = parseSuffix(suffix);
  if (typeof scale === 'string') return scale;

  const decimal = scale.decimal - fraction.length;
  const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
  return {
    text,
    numerator: digits * 10n ** BigInt(Math.max(decimal, 0)) * 2n ** BigInt(scale.binary),
    denominator: 10n ** BigInt(Math.max(-decimal, 0)),
  };
}

function parseSuffix(suffix: string): { readonly decimal: number; readonly binary: number } | string {
  if (/\d/.test(suffix)) {
    const exponent = Number(suffix.slice(1));
    if (Math.abs(exponent) > exponentMax) return `its exponent is outside -${exponentMax} to ${exponentMax}`;
    return { decimal: exponent, binary: 0 };
  }
  const decimal = decimalSuffixes[suffix];
  const binary = binarySuffixes[suffix];
  if (decimal === undefined && binary === undefined) {
    return `"${suffix}" is not a suffix of quantities: they are n u m k M G T P E Ki Mi Gi Ti Pi Ei`;
  }
  return { decimal: decimal ?? 0, binary: binary ?? 0 };
}

/** Below 0 when `a < b`, 0 when equal, above 0 when `a > b`. `"1"`, `"1000m"` and `"1e0"` are equal. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  const left = a.numerator * b.denominator;
  const right = b.numerator * a.denominator;
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** -1, 0 or 1. */
export function quantitySign({ numerator }: Quantity): number {
  if (numerator === 0n) return 0;
  return numerator < 0n ? -1 : 1;
}
