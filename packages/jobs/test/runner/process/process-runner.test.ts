import { describeRunner } from '../runner-contract.ts';
import { createProcessFixture } from './process-fixture.ts';

describeRunner('The process runner', createProcessFixture);
