import { z } from 'zod';
import { jsonArray, jsonPattern, jsonText } from './json-object.ts';

const itemsMax = 256;
const kubernetesObject = z.record(z.string(), z.unknown());
const textByKey = z.record(z.string(), jsonText(256 * 1024));

/** Keys that go to the platform as Kubernetes defines them; inside them, keys are Kubernetes' own and read exactly. */
export const platformShape = {
  ServiceAccountName: jsonPattern(
    /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/,
    253,
    'the name of a Kubernetes service account',
  ).optional(),
  Volumes: jsonArray(kubernetesObject, itemsMax).optional(),
  VolumeMounts: jsonArray(kubernetesObject, itemsMax).optional(),
  NodeSelector: textByKey.optional(),
  Tolerations: jsonArray(kubernetesObject, itemsMax).optional(),
  Labels: textByKey.optional(),
  Annotations: textByKey.optional(),
  ImagePullSecrets: jsonArray(kubernetesObject, itemsMax).optional(),
  SecurityContext: kubernetesObject.optional(),
};

/** The given platform keys, named as Kubernetes names them (`ServiceAccountName` is `serviceAccountName`). */
export function toPlatform(keys: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const given = Object.keys(platformShape).filter((key) => keys[key] !== undefined);
  return Object.fromEntries(given.map((key) => [`${key.charAt(0).toLowerCase()}${key.slice(1)}`, keys[key]]));
}
