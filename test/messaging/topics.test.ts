import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../src/base/logger.ts'
import { queueOfGroup } from '../../src/messaging/queue-choice.ts'
import type { TopicType } from '../../src/messaging/topics.ts'
import { bodiesOf, openQueue } from './queue-on-disk.ts'

const TOPICS_FILE = '/queue/config/topics.json'
const coded = (name: string): unknown => expect.objectContaining({ code: `POCKETMQ_${name}` })

describe('topics', () => {
  test('a created topic is on the device when the promise resolves', async () => {
    const { mq, disk } = await openQueue()
    await mq.admin.createTopic({ topic: 'a', queues: 8, type: 'FIFO' })
    const { mq: after } = await openQueue({}, { disk: disk.powerCut(3) })
    expect(await after.admin.topics()).toMatchObject([
      { topic: 'a', readQueues: 8, writeQueues: 8, type: 'FIFO', perm: 6 },
    ])
  })

  test('creating it again just so is fine, otherwise it is TOPIC_EXISTS', async () => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'a', queues: 8, type: 'FIFO' })
    await mq.admin.createTopic({ topic: 'a', queues: 8, type: 'FIFO' })
    await mq.admin.createTopic({ topic: 'a' })
    await expect(mq.admin.createTopic({ topic: 'a', queues: 4 })).rejects.toThrow(coded('TOPIC_EXISTS'))
    await expect(mq.admin.createTopic({ topic: 'a', type: 'DELAY' })).rejects.toThrow(coded('TOPIC_EXISTS'))
  })

  test.each([
    ['a system topic', { topic: 'SCHEDULE_TOPIC_XXXX' }],
    ['no queues', { topic: 'a', queues: 0 }],
    ['too many queues', { topic: 'a', queues: 1025 }],
    ['half a queue', { topic: 'a', queues: 1.5 }],
    ['an unknown type', { topic: 'a', type: 'LITE' as TopicType }],
    ['a broken perm', { topic: 'a', perm: 9 }],
    ['a broken name', { topic: 'a b' }],
  ])('%s is refused', async (_what, options) => {
    const { mq } = await openQueue()
    await expect(mq.admin.createTopic(options)).rejects.toThrow(coded('INVALID_ARGUMENT'))
  })

  test.each<[TopicType, object, boolean]>([
    ['NORMAL', {}, true],
    ['NORMAL', { messageGroup: 'g' }, false],
    ['NORMAL', { delay: 5 }, false],
    ['FIFO', { messageGroup: 'g' }, true],
    ['FIFO', {}, false],
    ['DELAY', { delay: 5 }, true],
    ['DELAY', { delayLevel: 1 }, true],
    ['DELAY', {}, false],
    ['TRANSACTION', {}, false],
    ['MIXED', { messageGroup: 'g' }, true],
    ['MIXED', { delayLevel: 1 }, true],
    ['UNSPECIFIED', { messageGroup: 'g' }, true],
  ])('a topic of type %s and a message with %j: %s', async (type, more, isTaken) => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'a', type })
    const sent = mq.producer().send({ topic: 'a', body: 'x', ...more })
    if (isTaken) await sent
    else await expect(sent).rejects.toThrow(coded('TOPIC_TYPE_MISMATCH'))
  })

  test('a transaction topic takes transactions, and a normal one none', async () => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 't', type: 'TRANSACTION' })
    await mq.admin.createTopic({ topic: 'n', type: 'NORMAL' })
    const producer = mq.producer({ group: 'pg' })
    const transaction = producer.beginTransaction()
    await producer.send({ topic: 't', body: 'x' }, transaction)
    await transaction.commit()
    await expect(producer.send({ topic: 'n', body: 'x' }, producer.beginTransaction())).rejects.toThrow(
      coded('TOPIC_TYPE_MISMATCH'),
    )
  })

  test('a topic without the write permission takes nothing', async () => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'a', perm: 4 })
    await expect(mq.producer().send({ topic: 'a', body: 'x' })).rejects.toThrow(coded('READ_ONLY'))
    await mq.admin.updateTopic({ topic: 'a', perm: 6 })
    await mq.producer().send({ topic: 'a', body: 'x' })
  })

  test('a FIFO topic gets another number of queues only by force', async () => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'a', queues: 4, type: 'FIFO' })
    await expect(mq.admin.updateTopic({ topic: 'a', queues: 8 })).rejects.toThrow(coded('INVALID_ARGUMENT'))
    expect(await mq.admin.updateTopic({ topic: 'a', queues: 8, force: true })).toMatchObject({
      writeQueues: 8,
      readQueues: 8,
    })
    // What is in the queues beyond is still read.
    expect(await mq.admin.updateTopic({ topic: 'a', queues: 2, force: true })).toMatchObject({
      writeQueues: 2,
      readQueues: 8,
    })
    await expect(mq.admin.updateTopic({ topic: 'b', queues: 8 })).rejects.toThrow(coded('TOPIC_NOT_FOUND'))
  })

  test('how message groups find their queues is stored with the topic, and a FIFO topic changes it only by force', async () => {
    const { mq, disk } = await openQueue()
    await mq.admin.createTopic({ topic: 'a', queues: 8, type: 'FIFO', queueChoice: 'sip24' })
    const group = 'customer-1'
    expect([queueOfGroup(group, 8, 'sip24'), queueOfGroup(group, 8)]).toEqual([2, 6])
    expect((await mq.producer().send({ topic: 'a', body: 'x', messageGroup: group })).queueId).toBe(2)
    const { mq: after } = await openQueue({}, { disk: disk.kill() })
    expect((await after.admin.topics())[0]).toMatchObject({ topic: 'a', queueChoice: 'sip24' })
    expect((await after.producer().send({ topic: 'a', body: 'x', messageGroup: group })).queueId).toBe(2)
    await expect(after.admin.createTopic({ topic: 'a', queueChoice: 'javaHash' })).rejects.toThrow(
      coded('TOPIC_EXISTS'),
    )
    const other = { topic: 'a', queueChoice: 'javaHash' } as const
    await expect(after.admin.updateTopic(other)).rejects.toMatchObject({ details: { field: 'queueChoice' } })
    await after.admin.updateTopic({ ...other, force: true })
    expect((await after.producer().send({ topic: 'a', body: 'x', messageGroup: group })).queueId).toBe(6)
    const unknown = { topic: 'b', queueChoice: 'md5' as 'sip24' }
    await expect(after.admin.createTopic(unknown)).rejects.toThrow(coded('INVALID_ARGUMENT'))
  })

  test('a damaged file falls back to the one before, and then to what the queues show', async () => {
    const { mq, disk } = await openQueue()
    await mq.admin.createTopic({ topic: 'a', queues: 6, type: 'FIFO' })
    await mq.admin.createTopic({ topic: 'b', queues: 3 })
    const producer = mq.producer()
    for (let i = 0; i < 20; i++) await producer.send({ topic: 'a', body: 'x', messageGroup: `${i}` })
    await producer.send({ topic: 'c', body: 'x' })
    await mq.close()
    const damaged = disk.kill()
    damaged.place(TOPICS_FILE, Buffer.from('{ broken'))
    const { mq: second } = await openQueue({}, { disk: damaged.kill() })
    expect((await second.admin.topics()).find(({ topic }) => topic === 'a')).toMatchObject({
      writeQueues: 6,
      type: 'FIFO',
    })
    await second.close()
    for (const path of [TOPICS_FILE, `${TOPICS_FILE}.bak`])
      if (damaged.paths().includes(path)) await damaged.remove(path)
    const { mq: third } = await openQueue({}, { disk: damaged.kill() })
    // As many queues as show, and never fewer than a send would create: message groups keep their queues.
    expect((await third.admin.topics()).map(({ topic, writeQueues }) => [topic, writeQueues])).toEqual([
      ['a', 6],
      ['c', 4],
    ])
  })

  test('a topic created by a send just before a crash has its queues again', async () => {
    const { mq, disk } = await openQueue()
    const receipt = await mq.producer().send({ topic: 'a', body: 'x', messageGroup: 'g' })
    const { mq: after } = await openQueue({}, { disk: disk.kill() })
    expect(await after.admin.topicRoute('a')).toMatchObject({ writeQueues: 4 })
    expect((await after.producer().send({ topic: 'a', body: 'y', messageGroup: 'g' })).queueId).toBe(receipt.queueId)
  })

  test('fields of the file that we do not know are kept', async () => {
    const { mq, disk } = await openQueue()
    await mq.admin.createTopic({ topic: 'a' })
    await mq.close()
    const file = JSON.parse(disk.contentOf(TOPICS_FILE).toString())
    file.topicConfigTable.a.attributes['cleanup.policy'] = 'DELETE'
    file.topicConfigTable.a.invented = 7
    file.other = 'kept'
    const edited = disk.kill()
    edited.place(TOPICS_FILE, Buffer.from(JSON.stringify(file)))
    const { mq: after } = await openQueue({}, { disk: edited })
    await after.admin.updateTopic({ topic: 'a', queues: 9 })
    const again = JSON.parse(edited.contentOf(TOPICS_FILE).toString())
    expect(again).toMatchObject({
      other: 'kept',
      topicConfigTable: { a: { writeQueueNums: 9, invented: 7, attributes: { 'cleanup.policy': 'DELETE' } } },
    })
    expect(again.dataVersion.counter).toBeGreaterThan(file.dataVersion.counter)
  })

  test('a deleted topic is gone for good, and one of that name goes on counting', async () => {
    const { mq, disk } = await openQueue()
    const producer = mq.producer()
    for (let i = 0; i < 3; i++) await producer.send({ topic: 'a', body: `${i}` }, { queueId: 0 })
    await mq.admin.deleteTopic('a')
    await expect(mq.admin.deleteTopic('a')).rejects.toThrow(coded('TOPIC_NOT_FOUND'))
    expect(await bodiesOf(mq, 'a')).toEqual([])
    const { mq: after } = await openQueue({}, { disk: disk.kill() })
    expect(await after.admin.topics()).toEqual([])
    expect((await after.producer().send({ topic: 'a', body: 'new' }, { queueId: 0 })).queueOffset).toBe(3)
    expect(await bodiesOf(after, 'a')).toEqual(['new'])
  })
})

test('a name of more than 64 characters is a warning, once, as RocketMQ advises', async () => {
  const warnings: unknown[] = []
  const logger = { ...silentLogger, warn: (details: object) => warnings.push(details) }
  const { mq } = await openQueue({ logger })
  await mq.admin.createTopic({ topic: 'a'.repeat(64) })
  const long = 'b'.repeat(65)
  for (let i = 0; i < 2; i++) await mq.producer().send({ topic: long, body: 'x' })
  expect(warnings).toEqual([{ topic: long }])
})
