/** Sizes and times of the folders that go from PocketMQ to a whole RocketMQ broker, or back, with messages pending. */
import type { BrokerSettings } from './broker.ts'
import { brokerSizes } from './broker.ts'

/** Sizes of a folder. */
export const SIZES = {
  commitLogSegmentBytes: 1 << 20,
  consumeQueueSegmentEntries: 1000,
  indexSlots: 1000,
  indexEntries: 4000,
} as const

/** The same in RocketMQ's words, and a broker that asks soon about transactions. */
export const BROKER_SIZES: BrokerSettings = {
  ...brokerSizes(SIZES),
  brokerName: 'pocketmq',
  recallMessageEnable: true,
  transactionCheckInterval: 2_000,
  transactionTimeOut: 1_000,
  // It writes decisions down in batches; before that it asks again, and a second answer is a second message.
  transactionOpBatchInterval: 500,
}

/** How long the delayed messages wait: delay level 3, and as many milliseconds. */
export const PENDING_MS = 10_000
/** When those are due that the other side recalls: a broker takes long to start and to close. */
export const RECALLED_MS = 30_000
/** RocketMQ's wait before the first retry. */
export const FIRST_RETRY_MS = 10_000
/** RocketMQ rounds a time down to its slot, and an exact one to the slot before. */
export const SLOT_MS = 1_000
/** A machine with everything else to do beside two Java programs may be late; a message that does not come fails the test. */
export const LATE_MS_MAX = 20_000
