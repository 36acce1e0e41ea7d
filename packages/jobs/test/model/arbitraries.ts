import fc from 'fast-check';

/** Quantities of every suffix, as text. */
export const quantityText = fc
  .record({
    whole: fc.nat(5000),
    fraction: fc.option(fc.stringMatching(/^\d{1,4}$/), { nil: undefined }),
    suffix: fc.constantFrom(
      ...['', 'n', 'u', 'm', 'k', 'M', 'G', 'T', 'P', 'E', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'],
      ...['e0', 'e3', 'E2', 'e-3', 'E+1'],
    ),
  })
  .map(({ whole, fraction, suffix }) => `${whole}${fraction === undefined ? '' : `.${fraction}`}${suffix}`);

/** Quantities that no resource refuses: none is less than a byte, unless it is nothing. */
const resourceText = fc
  .record({ whole: fc.nat(3000), suffix: fc.constantFrom('', 'k', 'Ki', 'M', 'Mi', 'Gi', 'e3') })
  .map(({ whole, suffix }) => `${whole}${suffix}`);

/** Requests or limits. */
export const resourceList = fc.dictionary(
  fc.constantFrom('cpu', 'memory', 'nvidia.com/gpu', 'ephemeral-storage'),
  resourceText,
  { noNullPrototype: true },
);

/** Bytes in place of `crypto.randomBytes`, the same for the same seed. */
export const randomBytes = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => (size: number) => bytes.slice(0, size));
