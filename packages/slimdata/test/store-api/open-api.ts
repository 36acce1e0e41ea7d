import { CONSISTENCIES, type Consistency } from '../../src/store-api/read.ts';
import { StoreApi, type StoreApiOptions } from '../../src/store-api/store-api.ts';
import {
  createStoreClient,
  type StoreClient,
  type StoreClientOptions,
} from '../../src/store-api/store-client.ts';
import type { StoreClientError } from '../../src/store-api/store-client-error.ts';
import { Journal } from '../peers/journal.ts';
import { openTestMember, type TestMember, type TestOptions } from '../peers/test-member.ts';
import { TestService } from './test-service.ts';

const SECRET = 'a shared secret';
export const consistencies: readonly Consistency[] = CONSISTENCIES;

export interface OpenApi extends AsyncDisposable {
  readonly service: TestService;
  readonly api: StoreApi;
  readonly member: TestMember;
  readonly url: string;
  /** What the API logged. */
  readonly log: Journal<{ readonly event: string; readonly facts: object }>;
  client(options?: Partial<StoreClientOptions>): StoreClient;
}

type ApiOptions = Partial<StoreApiOptions> & { readonly service?: TestService };

/** The API of member `a` on the port of a real transport. */
export async function openApi(
  { service = new TestService(), ...options }: ApiOptions = {},
  memberOptions: TestOptions = {},
): Promise<OpenApi> {
  const log: OpenApi['log'] = new Journal();
  const line = (facts: object, event: string) => log.add({ event, facts });
  const api = new StoreApi({
    service,
    clusterSecret: SECRET,
    now: Date.now,
    logger: { info: line, warn: line, error: line },
    ...options,
  });
  const member = await openTestMember('a', {
    answerOther: (request, response) => api.answer(request, response),
    ...memberOptions,
  });
  const clients: StoreClient[] = [];
  return {
    service,
    api,
    member,
    url: member.url,
    log,
    client: (clientOptions = {}) => {
      const client = createStoreClient({ url: member.url, secret: SECRET, ...clientOptions });
      clients.push(client);
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) {
        client.close();
      }
      api.close();
      await member.transport.close();
    },
  };
}

/** The error that a promise must come to. */
export async function failureOf(promise: Promise<unknown>): Promise<StoreClientError> {
  const error: unknown = await promise.then(
    (value) => new Error(`expected an error, got ${JSON.stringify(value)}`),
    (each: unknown) => each,
  );
  return error as StoreClientError;
}
