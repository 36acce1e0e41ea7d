import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'chai';
import { describe, it } from 'mocha';
import { encodeMessage, type Frame } from '../../src/peers/codec.ts';
import type { HttpTransportOptions } from '../../src/peers/http-transport.ts';
import { type Headers, openRawStream, proofFor, type RawStream, validHeaders } from './raw-stream.ts';
import { openTestMember, type TestMember } from './test-member.ts';

const SECRET = 'a shared secret';
const HEARTBEAT: Frame = { type: 'Heartbeat', term: 1, commit: 0, round: 1 };

/** Member `a`, whose peer `b` is played by the test; nothing answers where `b` is dialed. */
function openA(options: Partial<HttpTransportOptions> = {}): Promise<TestMember> {
  return openTestMember('a', { peers: [{ name: 'b', url: 'http://127.0.0.1:1' }], ...options });
}

function without(name: string): Headers {
  return Object.fromEntries(Object.entries(validHeaders).filter(([key]) => key !== name));
}

async function prove(stream: RawStream): Promise<void> {
  stream.stream.write(encodeMessage({ type: 'Proof', proof: proofFor(SECRET, stream.headers) }));
  await stream.frames.find(({ type }) => type === 'Pong');
}

describe('PeerListener', function () {
  this.timeout(10_000);

  const refused: readonly (readonly [string, Headers, number, RegExp])[] = [
    [
      'another cluster',
      { ...validHeaders, 'slimdata-cluster': 'cluster-2' },
      412,
      /cluster "cluster-1", not to "cluster-2"/,
    ],
    [
      'newer protocols only',
      { ...validHeaders, 'slimdata-protocol': '2-3' },
      412,
      /2-3 was offered, 1-1 is spoken/,
    ],
    ['older protocols only', { ...validHeaders, 'slimdata-protocol': '0-0' }, 412, /0-0 was offered/],
    ['an empty protocol range', { ...validHeaders, 'slimdata-protocol': '5-1' }, 412, /5-1 was offered/],
    ['a wrong address', { ...validHeaders, 'slimdata-to': 'c' }, 412, /This is member "a", not "c"/],
    ['an unknown member', { ...validHeaders, 'slimdata-from': 'x' }, 403, /knows no peer "x"/],
    ['itself', { ...validHeaders, 'slimdata-from': 'a' }, 403, /knows no peer "a"/],
    ['a stream without a nonce', without('slimdata-nonce'), 401, /"b" offered no proof/],
    ['a stream with a short nonce', { ...validHeaders, 'slimdata-nonce': 'abc' }, 401, /offered no proof/],
    ['a stream without a cluster', without('slimdata-cluster'), 400, /slimdata-cluster/],
    ['a stream without a protocol', without('slimdata-protocol'), 400, /slimdata-protocol/],
    ['a stream without a disk', without('slimdata-disk'), 400, /slimdata-disk/],
    ['a name with a space', { ...validHeaders, 'slimdata-from': 'b c' }, 400, /slimdata-from/],
  ];
  for (const [what, headers, status, detail] of refused) {
    it(`refuses ${what} with ${status} and a reason, and ends the connection`, async () => {
      await using a = await openA();
      const stream = await openRawStream(a.url, undefined, headers);
      expect(stream.status).to.equal(status);
      expect(stream.problem).to.include({ status });
      expect(stream.problem?.['detail']).to.match(detail);
      await stream.closed;
      const line = await a.log.find(({ event }) => event === 'peer_refused');
      expect(line).to.deep.include({ level: 'warn' });
      expect(line.facts).to.include({ status });
      expect(a.transport.statistics().refusals).to.deep.equal({ [status]: 1 });
    });
  }

  it('logs the same refusal once and counts every one', async () => {
    await using a = await openA();
    const headers = { ...validHeaders, 'slimdata-cluster': 'cluster-2' };
    for (let turn = 0; turn < 3; turn += 1) {
      await (await openRawStream(a.url, undefined, headers)).closed;
    }
    expect(a.log.items.filter(({ event }) => event === 'peer_refused')).to.have.length(1);
    expect(a.transport.statistics().refusals).to.deep.equal({ 412: 3 });
  });

  it('answers 404 to any other path, and 405 to any other method', async () => {
    await using a = await openA();
    for (const path of [
      '/',
      '/metrics',
      '/slimdata/v1/stream/',
      '/slimdata/v1/stream/other',
      '/slimdata/v1/stream/bulk/',
    ]) {
      const answer = await openRawStream(a.url, path, {}, 'GET');
      expect([path, answer.status, answer.problem?.['title']]).to.deep.equal([path, 404, 'Not found']);
    }
    const answer = await openRawStream(a.url, '/slimdata/v1/stream/bulk', {}, 'GET');
    expect(answer.status).to.equal(405);
    expect(answer.headers).to.include({ allow: 'POST' });
  });

  it('takes messages once the proof is right', async () => {
    await using a = await openA();
    const stream = await openRawStream(a.url);
    expect(stream.status).to.equal(200);
    expect(stream.headers).to.include({
      'slimdata-protocol': '1',
      'slimdata-cluster': 'cluster-1',
      'slimdata-from': 'a',
      'slimdata-disk': 'disk-of-a',
    });
    await prove(stream);
    stream.stream.write(encodeMessage(HEARTBEAT));
    await a.received.until((items) => items.length === 1);
    const from = { name: 'b', diskId: 'disk-of-b' };
    expect(a.received.items).to.deep.equal([{ from, message: HEARTBEAT }]);
  });

  it('chooses the highest protocol that both speak', async () => {
    await using a = await openA();
    const stream = await openRawStream(a.url, undefined, { ...validHeaders, 'slimdata-protocol': '0-9' });
    expect(stream.status).to.equal(200);
    expect(stream.headers['slimdata-protocol']).to.equal('1');
  });

  const wrongProofs: readonly (readonly [string, (stream: RawStream) => Frame])[] = [
    ['of another secret', ({ headers }) => ({ type: 'Proof', proof: proofFor('another', headers) })],
    [
      'for the other lane',
      ({ headers }) => ({ type: 'Proof', proof: proofFor(SECRET, headers, { stream: 'bulk' }) }),
    ],
    [
      'of another member',
      ({ headers }) => ({ type: 'Proof', proof: proofFor(SECRET, headers, { from: 'c' }) }),
    ],
    [
      'of another disk',
      ({ headers }) => ({ type: 'Proof', proof: proofFor(SECRET, headers, { fromDisk: 'x' }) }),
    ],
    [
      'reflected from the listener',
      ({ headers }) => ({
        type: 'Proof',
        proof: Buffer.from(String(headers['slimdata-proof']), 'base64url'),
      }),
    ],
    [
      'that is too short',
      ({ headers }) => ({ type: 'Proof', proof: proofFor(SECRET, headers).subarray(0, 31) }),
    ],
    ['that is empty', () => ({ type: 'Proof', proof: Buffer.alloc(0) })],
  ];
  for (const [what, frame] of wrongProofs) {
    it(`refuses a proof ${what}, and nothing after it is taken`, async () => {
      await using a = await openA();
      const stream = await openRawStream(a.url);
      stream.stream.write(Buffer.concat([encodeMessage(frame(stream)), encodeMessage(HEARTBEAT)]));
      expect(await stream.frames.find(() => true)).to.deep.equal({ type: 'Refused', status: 401 });
      await stream.closed;
      const line = await a.log.find(({ event }) => event === 'peer_refused');
      const detail = 'No proof of member "b": the proof is wrong.';
      expect(line.facts).to.include({ status: 401, peer: 'b', detail });
      expect(a.received.items).to.deep.equal([]);
    });
  }

  it('refuses a proof that was right on an earlier stream', async () => {
    await using a = await openA();
    const first = await openRawStream(a.url);
    const proof = encodeMessage({ type: 'Proof', proof: proofFor(SECRET, first.headers) });
    first.stream.write(proof);
    await first.frames.find(({ type }) => type === 'Pong');
    const second = await openRawStream(a.url);
    second.stream.write(proof);
    expect(await second.frames.find(() => true)).to.deep.equal({ type: 'Refused', status: 401 });
    expect(a.transport.statistics().peers['b']?.accepted).to.deep.equal(['control']);
  });

  it('refuses a message before the proof', async () => {
    await using a = await openA();
    const stream = await openRawStream(a.url);
    stream.stream.write(encodeMessage(HEARTBEAT));
    expect(await stream.frames.find(() => true)).to.deep.equal({ type: 'Refused', status: 401 });
    const line = await a.log.find(({ event }) => event === 'peer_refused');
    expect(line.facts['detail']).to.match(/Heartbeat came before the proof/);
    expect(a.received.items).to.deep.equal([]);
  });

  it('reads no more than a proof before it is verified', async () => {
    await using a = await openA();
    const stream = await openRawStream(a.url);
    stream.stream.write(encodeMessage({ type: 'Propose', sequence: 1, payload: Buffer.alloc(100) }));
    await stream.closed;
    const line = await a.log.find(({ event }) => event === 'peer_refused');
    expect(line.facts['detail']).to.match(/exceeds the bound of 48/);
  });

  it('ends a stream whose proof does not come', async () => {
    await using a = await openA({ limits: { proofSilentChecksMax: 2 } });
    const stream = await openRawStream(a.url);
    await stream.closed;
    const line = await a.log.find(({ event }) => event === 'peer_refused');
    expect(line.facts).to.include({ peer: 'b', status: 401 });
    expect(line.facts['detail']).to.match(/nothing came during 3 checks/);
  });

  it('ends a stream that went silent, not one that pings', async () => {
    await using a = await openA({ limits: { acceptedSilentChecksMax: 3 } });
    const silent = await openRawStream(a.url);
    const talking = await openRawStream(a.url, '/slimdata/v1/stream/bulk');
    await prove(silent);
    talking.stream.write(
      encodeMessage({ type: 'Proof', proof: proofFor(SECRET, talking.headers, { stream: 'bulk' }) }),
    );
    await talking.frames.find(({ type }) => type === 'Pong');
    const pinging = setInterval(() => talking.stream.write(encodeMessage({ type: 'Ping' })), 10);
    await silent.closed;
    clearInterval(pinging);
    expect(a.transport.statistics().peers['b']?.accepted).to.deep.equal(['bulk']);
  });

  it('lets a newer stream replace the older one of the same lane, once it is proven', async () => {
    await using a = await openA();
    const older = await openRawStream(a.url);
    await prove(older);
    const newer = await openRawStream(a.url);
    expect(a.log.items.filter(({ event }) => event === 'peer_stream_ended')).to.deep.equal([]);
    await prove(newer);
    await older.closed;
    const line = await a.log.find(({ event }) => event === 'peer_stream_ended');
    expect(line.facts).to.include({ end: 'replaced', lane: 'control' });
    newer.stream.write(encodeMessage(HEARTBEAT));
    await a.received.until((items) => items.length === 1);
  });

  const broken: readonly (readonly [string, () => Buffer, RegExp])[] = [
    ['a wrong checksum', () => corrupted(encodeMessage(HEARTBEAT)), /wrong checksum/],
    [
      'a frame beyond the bound',
      () => Buffer.from('7fffffff00000000', 'hex'),
      /2147483647 bytes exceeds the bound/,
    ],
    [
      'a second proof',
      () => encodeMessage({ type: 'Proof', proof: Buffer.alloc(32) }),
      /Proof is not said here/,
    ],
    ['an answer', () => encodeMessage({ type: 'Pong' }), /Pong is not said here/],
    ['plain text', () => Buffer.from('GET / HTTP/1.1\r\n\r\n'), /exceeds the bound/],
  ];
  for (const [what, bytes, reason] of broken) {
    it(`ends a stream on ${what}, after what was valid before it`, async () => {
      await using a = await openA();
      const stream = await openRawStream(a.url);
      await prove(stream);
      stream.stream.write(Buffer.concat([encodeMessage(HEARTBEAT), bytes(), encodeMessage(HEARTBEAT)]));
      await stream.closed;
      const line = await a.log.find(({ event }) => event === 'peer_stream_malformed');
      expect(line.facts['reason']).to.match(reason);
      expect(a.received.items).to.have.length(1);
      expect(a.transport.statistics().peers['b']).to.include({ malformed: 1 });
    });
  }

  it('ends a connection that sends no head in time, and no stream that is older', async () => {
    await using a = await openA({ limits: { headTimeoutMs: 50, acceptedSilentChecksMax: 10_000 } });
    const stream = await openRawStream(a.url);
    await prove(stream);
    const socket = connect(a.transport.port, '127.0.0.1');
    socket.write('POST /slimdata/v1/stream/bulk HTTP/1.1\r\nslim');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(String(answer)).to.match(/^HTTP\/1.1 408 /);
    socket.destroy();
    expect(a.transport.statistics().peers['b']?.accepted).to.deep.equal(['control']);
  });

  it('bounds the connections it holds', async () => {
    await using a = await openA({ limits: { connectionsMax: 2 } });
    const held = [await openRawStream(a.url), await openRawStream(a.url)];
    const third = await openRawStream(a.url).catch((error: unknown) => error);
    expect(third).to.have.property('code', 'ECONNRESET');
    held[0]?.stream.destroy();
    await held[0]?.closed;
    await a.log.find(({ event }) => event === 'peer_refused');
    expect((await openRawStream(a.url)).status).to.equal(200);
  });
});

function corrupted(frame: Buffer): Buffer {
  const copy = Buffer.from(frame);
  copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1;
  return copy;
}
