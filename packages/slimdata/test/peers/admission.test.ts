import { expect } from 'chai';
import { describe, it } from 'mocha';
import { type Admit, type Applicant, createDefaultAdmission } from '../../src/peers/admission.ts';
import type { PeerMessage } from '../../src/peers/peer-message.ts';
import { connectAll, openTestMember } from './test-member.ts';

const heartbeat: PeerMessage = { type: 'Heartbeat', term: 1, commit: 0, round: 1 };
const nobody = 'http://127.0.0.1:1';

describe('createDefaultAdmission', () => {
  const applicant: Applicant = { name: 'b', diskId: 'd', clusterId: 'cluster-1', isListed: true };
  const admit = createDefaultAdmission('a', () => 'cluster-1');

  it('admits listed members of the cluster', () => {
    expect(admit(applicant)).to.equal(null);
  });

  it('knows no others', () => {
    expect(admit({ ...applicant, isListed: false })).to.include({ reason: 'unknown' });
  });

  it('waits until both sides have joined', () => {
    expect(admit({ ...applicant, clusterId: '' })).to.deep.equal({
      reason: 'uninitialised',
      detail: 'Member "b" has not joined a cluster yet.',
    });
    expect(createDefaultAdmission('a', () => '')(applicant))
      .to.have.property('detail')
      .that.matches(/^Member "a"/);
  });
});

describe('admission', function () {
  this.timeout(10_000);

  it('is asked, on both sides, with who the other is', async () => {
    const asked: Applicant[] = [];
    const admit: Admit = (applicant) => {
      asked.push(applicant);
      return null;
    };
    await using a = await openTestMember('a', { admit });
    await using b = await openTestMember('b', { admit, clusterId: '' });
    await connectAll([a, b]);
    const disks = { a: 'disk-of-a', b: 'disk-of-b' };
    expect(asked).to.deep.include({ name: 'a', diskId: disks.a, clusterId: 'cluster-1', isListed: true });
    expect(asked).to.deep.include({ name: 'b', diskId: disks.b, clusterId: '', isListed: true });
    expect(b.met.items).to.deep.include({ name: 'a', diskId: disks.a, clusterId: 'cluster-1' });
    expect(a.met.items).to.deep.include({ name: 'b', diskId: disks.b, clusterId: '' });
    a.transport.send('b', heartbeat);
    await b.received.until((items) => items.length === 1);
  });

  it('by default keeps a member without a cluster out, on either side, and says why', async () => {
    await using a = await openTestMember('a');
    await using b = await openTestMember('b', { clusterId: '', peers: [{ name: 'a', url: a.url }] });
    a.transport.setPeers([{ name: 'b', url: b.url }]);
    await b.log.find(({ facts }) =>
      /refused with 412: Member "b" has not joined/.test(String(facts['reason'])),
    );
    await a.log.find(({ facts }) =>
      /refused with 412: Member "b" has not joined/.test(String(facts['reason'])),
    );
    const [peer, status] = (await a.refused.find(() => true)) ?? [];
    expect([peer, status]).to.deep.equal(['b', 412]);
  });

  it('is not asked about members of a foreign cluster', async () => {
    const asked: Applicant[] = [];
    const admit: Admit = (applicant) => {
      asked.push(applicant);
      return null;
    };
    await using a = await openTestMember('a', { admit });
    await using b = await openTestMember('b', {
      admit,
      clusterId: 'cluster-2',
      peers: [{ name: 'a', url: a.url }],
    });
    const [, status, detail] = await b.refused.find(() => true);
    expect(status).to.equal(412);
    expect(detail).to.equal('This member belongs to cluster "cluster-1", not to "cluster-2".');
    expect(asked).to.deep.equal([]);
  });

  it('may admit a member that is not listed: its messages come, and none can be sent to it', async () => {
    await using a = await openTestMember('a', { admit: () => null });
    await using b = await openTestMember('b', { peers: [{ name: 'a', url: a.url }] });
    await b.connectedTo('a');
    b.transport.send('a', heartbeat);
    await a.received.until((items) => items.length === 1);
    expect(a.received.items[0]?.from).to.deep.equal({ name: 'b', diskId: 'disk-of-b' });
    a.transport.send('b', heartbeat);
    await a.unreachable.until((items) => items.includes('b'));
  });

  it('tells a removed member so with 410', async () => {
    const detail = 'Member "b" was removed from the cluster.';
    await using a = await openTestMember('a', { admit: () => ({ reason: 'removed', detail }) });
    await using b = await openTestMember('b', { peers: [{ name: 'a', url: a.url }] });
    expect(await b.refused.find(() => true)).to.deep.equal(['a', 410, detail]);
    const line = await b.log.find(({ event }) => event === 'peer_unreachable');
    expect(line.facts['reason']).to.equal(`refused with 410: ${detail}`);
    expect(a.transport.statistics().refusals).to.have.property('410');
  });

  it('goes by the cluster that a member has joined meanwhile', async () => {
    await using a = await openTestMember('a');
    await using b = await openTestMember('b', { clusterId: '' });
    a.transport.setPeers([{ name: 'b', url: b.url }]);
    b.transport.setPeers([{ name: 'a', url: a.url }]);
    await b.refused.find(() => true);
    b.transport.setClusterId('cluster-1');
    await Promise.all([a.connectedTo('b'), b.connectedTo('a')]);
    expect(() => b.transport.setClusterId('cluster-2')).to.throw(
      /"b" belongs to cluster "cluster-1" for good/,
    );
    expect(() => b.transport.setClusterId('')).to.throw(/cluster id ""/);
  });

  it('passes on a changed disk: whether it is the right one is decided elsewhere', async () => {
    await using a = await openTestMember('a', { peers: [{ name: 'b', url: nobody }] });
    const first = await openTestMember('b', { peers: [{ name: 'a', url: a.url }] });
    await first.connectedTo('a');
    first.transport.send('a', heartbeat);
    await a.received.until((items) => items.length === 1);
    await first.transport.close();
    await using second = await openTestMember('b', {
      diskId: 'new-disk',
      peers: [{ name: 'a', url: a.url }],
    });
    await second.connectedTo('a');
    second.transport.send('a', heartbeat);
    await a.received.until((items) => items.length === 2);
    expect(a.received.items.map(({ from }) => from.diskId)).to.deep.equal(['disk-of-b', 'new-disk']);
  });
});
