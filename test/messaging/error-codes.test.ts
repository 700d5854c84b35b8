/** Every error code, reached as a user reaches it: with a hint that says what to do next, and details that survive JSON. */
import { execFile } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '../../src/base/errors.ts'
import { ERROR_CODES } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import { MessageStore } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { childScript } from '../support/child-scripts.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { FOLDER, openQueue } from './queue-on-disk.ts'

/** How one code is reached, and what accompanies it. */
type Reached = {
  readonly isRetryable: boolean
  /** Names in `details`, at least: what a program may go by. */
  readonly details: readonly string[]
  /** Rejects with the error, or answers it. */
  readonly reach: () => Promise<unknown>
}

const MESSAGE = { topic: 'a', body: 'x' }

const CASES: Readonly<Record<ErrorCode, Reached>> = {
  POCKETMQ_INVALID_ARGUMENT: {
    isRetryable: false,
    details: ['field', 'limit', 'actual'],
    reach: async () => await (await openQueue()).mq.producer().send({ ...MESSAGE, topic: 'no spaces' }),
  },
  POCKETMQ_MESSAGE_TOO_LARGE: {
    isRetryable: false,
    details: ['field', 'limit', 'actual'],
    reach: async () => await (await openQueue()).mq.producer().send({ ...MESSAGE, body: Buffer.alloc(5 << 20) }),
  },
  POCKETMQ_ABORTED_AFTER_APPEND: { isRetryable: false, details: ['receipt'], reach: abortAfterAppend },
  POCKETMQ_TOPIC_NOT_FOUND: {
    isRetryable: false,
    details: ['field', 'topic'],
    reach: async () => await (await openQueue({ autoCreateTopics: false })).mq.producer().send(MESSAGE),
  },
  POCKETMQ_TOPIC_EXISTS: { isRetryable: false, details: ['topic', 'exists'], reach: createTwice },
  POCKETMQ_TOPIC_TYPE_MISMATCH: {
    isRetryable: false,
    details: ['field', 'topic', 'limit', 'actual'],
    reach: sendOtherType,
  },
  POCKETMQ_GROUP_NOT_FOUND: {
    isRetryable: false,
    details: ['field', 'group'],
    reach: async () => await (await openQueue()).mq.admin.groupProgress('nobody'),
  },
  POCKETMQ_STORE_NOT_FOUND: {
    isRetryable: false,
    details: ['dir'],
    reach: async () => await PocketMQ.openReadOnly('/nowhere', { fileSystem: new SimulatedDisk() }),
  },
  POCKETMQ_STORE_LOCKED: { isRetryable: true, details: ['path', 'holder'], reach: openTwice },
  POCKETMQ_LOCK_UNAVAILABLE: { isRetryable: false, details: ['platform', 'arch'], reach: openWithoutAddon },
  POCKETMQ_UNSUPPORTED_FILE_SYSTEM: {
    isRetryable: false,
    details: ['dir'],
    reach: async () => await openQueue({}, { disk: new SimulatedDisk({ isNetwork: true }) }),
  },
  POCKETMQ_STORE_CLOSED: { isRetryable: false, details: [], reach: sendAfterClose },
  POCKETMQ_STORE_FAILED: { isRetryable: false, details: ['dir'], reach: sendAfterFailedFlush },
  POCKETMQ_READ_ONLY: { isRetryable: false, details: [], reach: sendReadOnly },
  POCKETMQ_DISK_FULL: { isRetryable: true, details: ['operation', 'path', 'errno'], reach: createTopicOnFullDisk },
  POCKETMQ_IO: { isRetryable: false, details: ['operation', 'path', 'errno'], reach: openForbiddenFolder },
  POCKETMQ_CORRUPT: {
    isRetryable: false,
    details: ['file', 'physicalOffset', 'expected', 'found'],
    reach: openWithHole,
  },
  POCKETMQ_UNSUPPORTED_FORMAT: { isRetryable: false, details: ['file', 'expected', 'found'], reach: openOtherFolder },
  POCKETMQ_SUBSCRIPTION_MISMATCH: {
    isRetryable: false,
    details: ['group', 'registered', 'refused', 'setBy', 'setAtMs', 'version'],
    reach: subscribeDifferently,
  },
  POCKETMQ_INSTANCE_ID_IN_USE: {
    isRetryable: false,
    details: ['clientId', 'group', 'instanceName', 'pid'],
    reach: joinTwice,
  },
  POCKETMQ_INVALID_RECEIPT_HANDLE: {
    isRetryable: false,
    details: ['status', 'receiptHandle'],
    reach: acknowledgeTwice,
  },
  POCKETMQ_TRANSACTION_SETTLED: {
    isRetryable: false,
    details: ['transactionId', 'resolution', 'settledAs'],
    reach: commitRolledBack,
  },
  POCKETMQ_BACKPRESSURE: { isRetryable: true, details: ['setting', 'limit', 'actual'], reach: sendTooMuch },
  POCKETMQ_TIMEOUT: { isRetryable: true, details: ['messageId', 'afterMs'], reach: handleTooLong },
}

async function abortAfterAppend(): Promise<unknown> {
  const { mq } = await openQueue()
  const stop = new AbortController()
  const sent = mq.producer().send(MESSAGE, { durability: 'disk', signal: stop.signal })
  stop.abort()
  return await sent
}

async function createTwice(): Promise<unknown> {
  const { mq } = await openQueue()
  await mq.admin.createTopic({ topic: 'a', queues: 1 })
  return await mq.admin.createTopic({ topic: 'a', queues: 2 })
}

async function sendOtherType(): Promise<unknown> {
  const { mq } = await openQueue()
  await mq.admin.createTopic({ topic: 'a', type: 'NORMAL' })
  return await mq.producer().send({ ...MESSAGE, delay: 5_000 })
}

async function openTwice(): Promise<unknown> {
  const dir = temporaryFolder()
  await using _owner = await PocketMQ.open(dir, { logger: silentLogger })
  return await PocketMQ.open(dir, { logger: silentLogger })
}

/** In a process that cannot load the lock addon; answers the error as JSON has it. */
async function openWithoutAddon(): Promise<unknown> {
  const hook = `export async function resolve(specifier, context, next) {
    if (specifier === 'fs-native-extensions') throw new Error('no build for this platform')
    return next(specifier, context)
  }`
  const program = `import { register } from 'node:module'
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)})
    const { PocketMQ } = await import(${JSON.stringify(pathToFileURL(childScript('src/messaging/pocket-mq.ts')))})
    const error = await PocketMQ.open(${JSON.stringify(temporaryFolder())}).catch(error => error)
    const { code, hint, retryable, details } = error
    console.log(JSON.stringify({ code, hint, retryable, details }))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program])
  return JSON.parse(stdout)
}

async function sendAfterClose(): Promise<unknown> {
  const { mq } = await openQueue()
  const producer = mq.producer()
  await mq.close()
  return await producer.send(MESSAGE)
}

async function sendAfterFailedFlush(): Promise<unknown> {
  const { mq, disk } = await openQueue()
  disk.inject({ operation: 'flush', times: Number.POSITIVE_INFINITY, fault: { errno: 'EIO' } })
  await expect(mq.producer().send(MESSAGE, { durability: 'disk' })).rejects.toThrow()
  return await mq.producer().send(MESSAGE)
}

async function sendReadOnly(): Promise<unknown> {
  const { mq, disk } = await openQueue()
  await mq.close()
  const readOnly = await PocketMQ.openReadOnly(FOLDER, { fileSystem: disk, logger: silentLogger })
  return await readOnly.producer().send(MESSAGE)
}

async function createTopicOnFullDisk(): Promise<unknown> {
  const { mq, disk } = await openQueue()
  disk.freeBytes = 0
  return await mq.admin.createTopic({ topic: 'a' })
}

async function openForbiddenFolder(): Promise<unknown> {
  const disk = new SimulatedDisk()
  disk.inject({ operation: 'create-folder', fault: { errno: 'EACCES' } })
  return await openQueue({}, { disk })
}

/** A log whose middle is gone. */
async function openWithHole(): Promise<unknown> {
  const { mq, disk } = await openQueue()
  for (let i = 0; i < 3; i++) await mq.producer().send({ topic: 'a', body: Buffer.alloc(800_000) })
  await mq.close()
  await disk.remove(`${FOLDER}/commitlog/00000000000001048576`)
  return await MessageStore.open(FOLDER, { fileSystem: disk, clock: new ManualClock(), logger: silentLogger })
}

async function openOtherFolder(): Promise<unknown> {
  const disk = new SimulatedDisk()
  disk.place(`${FOLDER}/diary.txt`, Buffer.from('dear diary'))
  return await openQueue({}, { disk })
}

async function subscribeDifferently(): Promise<unknown> {
  const { mq } = await openQueue()
  await mq.simpleConsumer({ consumerGroup: 'g', subscriptions: { a: 'paid' } })
  return await mq.simpleConsumer({ consumerGroup: 'g', subscriptions: { a: 'refunded' } })
}

async function joinTwice(): Promise<unknown> {
  const { mq } = await openQueue()
  const options = { consumerGroup: 'g', subscriptions: { a: '*' }, instanceName: 'till-1' }
  await mq.simpleConsumer(options)
  return await mq.simpleConsumer(options)
}

async function acknowledgeTwice(): Promise<unknown> {
  const { mq } = await openQueue()
  await mq.producer().send(MESSAGE)
  const consumer = await mq.simpleConsumer({ consumerGroup: 'g', subscriptions: { a: '*' } })
  const [message] = await consumer.receive(1)
  await message?.ack()
  return await message?.ack()
}

async function commitRolledBack(): Promise<unknown> {
  const { mq } = await openQueue()
  const producer = mq.producer({ group: 'shop', checker: () => 'unknown' })
  const transaction = producer.beginTransaction()
  await producer.send(MESSAGE, transaction)
  await transaction.rollback()
  return await transaction.commit()
}

async function sendTooMuch(): Promise<unknown> {
  const { mq } = await openQueue({ unflushedBytesMax: 1 << 20 })
  const producer = mq.producer()
  for (let i = 0; i < 100; i++) producer.sendOneway({ topic: 'a', body: Buffer.alloc(100_000) })
  return undefined
}

async function handleTooLong(): Promise<unknown> {
  const { mq, clock } = await openQueue()
  await mq.producer().send(MESSAGE)
  return await new Promise((resolve, reject) => {
    const messageListener = async (_: unknown, { signal }: { readonly signal: AbortSignal }): Promise<void> => {
      signal.addEventListener('abort', () => resolve(signal.reason))
      await clock.advance(1_001)
    }
    const consumerGroup = 'g'
    mq.pushConsumer({ consumerGroup, subscriptions: { a: '*' }, messageListener, consumeTimeout: 1_000 }).catch(reject)
  })
}

describe('every error code', () => {
  it.each(ERROR_CODES)('%s is met with a next step, and details that a program can go by', async code => {
    const { isRetryable, details, reach } = CASES[code]
    const error = (await reach().catch((thrown: unknown) => thrown)) as Record<string, unknown>
    expect(error).toMatchObject({ code, retryable: isRetryable })
    // A sentence that begins with what to do.
    expect(error.hint).toMatch(/^[A-Z][^.]{10,}.*[.]$/)
    const kept = JSON.parse(JSON.stringify(error.details)) as Record<string, unknown>
    expect(Object.keys(kept)).toEqual(expect.arrayContaining([...details]))
  })
})
