import { describe, expect, test } from 'vitest'
import type { MessagingEvents } from '../../src/messaging/events.ts'
import type { MessageView } from '../../src/messaging/message-view.ts'
import type { Bench } from './queue-on-disk.ts'
import { bodiesOf, openQueue } from './queue-on-disk.ts'

const coded = (name: string): unknown => expect.objectContaining({ code: `POCKETMQ_${name}` })

describe('topics and single messages', () => {
  test('the system topics are shown only where they are asked for', async () => {
    const { mq } = await openQueue()
    await mq.producer().send({ topic: 'a', body: 'x', delay: 5 })
    expect((await mq.admin.topics()).map(({ topic }) => topic)).toEqual(['a'])
    expect((await mq.admin.topics({ system: true })).map(({ topic }) => topic)).toEqual(['a', 'rmq_sys_wheel_timer'])
  })

  test('a route names every queue and what it holds', async () => {
    const { mq } = await openQueue()
    await mq.producer().send({ topic: 'a', body: 'x' }, { queueId: 1 })
    await mq.store.dispatched(mq.store.watermarks.appended)
    const { queues, brokerName } = await mq.admin.topicRoute('a')
    expect(brokerName).toBe('pocketmq')
    expect(queues.map(({ maxQueueOffset }) => maxQueueOffset)).toEqual([0, 1, 0, 0])
    await expect(mq.admin.topicRoute('b')).rejects.toThrow(coded('TOPIC_NOT_FOUND'))
  })

  test('a message is found by key, by either id, and by its place', async () => {
    const { mq, clock } = await openQueue()
    const producer = mq.producer()
    const receipt = await producer.send({ topic: 'a', body: 'one', keys: ['k'] }, { queueId: 2 })
    await clock.advance(5_000)
    await producer.send({ topic: 'a', body: 'two', keys: ['k'] }, { queueId: 2 })
    await mq.store.dispatched(mq.store.watermarks.appended)
    const { admin } = mq
    expect((await admin.queryByKey('a', 'k')).map(view => view.body.toString())).toEqual(['two', 'one'])
    expect((await admin.queryByKey('a', 'k', { max: 1 })).length).toBe(1)
    const before = new Date(clock.nowMs() - 1_000)
    expect((await admin.queryByKey('a', 'k', { to: before })).map(view => view.body.toString())).toEqual(['one'])
    expect((await admin.queryById(receipt.messageId))?.body.toString()).toBe('one')
    expect((await admin.queryById(receipt.offsetMessageId))?.messageId).toBe(receipt.messageId)
    expect((await admin.peek({ topic: 'a', queueId: 2, queueOffset: 1 }))?.body.toString()).toBe('two')
    expect(await admin.peek({ topic: 'a', queueId: 2, queueOffset: 2 })).toBeUndefined()
    expect(await admin.queryById('0'.repeat(32), 'a')).toBeUndefined()
  })
})

describe('groups', () => {
  test('progress, reset and purge of a group that is not here', async () => {
    const { mq } = await openQueue()
    await mq.admin.createTopic({ topic: 'a', queues: 1 })
    for (let i = 0; i < 5; i++) await mq.producer().send({ topic: 'a', body: `${i}` })
    const simple = await mq.simpleConsumer({ consumerGroup: 'g', subscriptions: { a: '*' } })
    const [first, second] = await simple.receive(2, 60_000)
    await simple.ack(first as MessageView & { receiptHandle: string })
    await simple.ack(second as MessageView & { receiptHandle: string })
    await simple.close()
    expect(await mq.admin.groupProgress('g')).toMatchObject({ lagMessages: 3 })
    expect((await mq.admin.groups()).map(({ group }) => group)).toEqual(['g'])
    const reset = await mq.admin.resetOffset({ group: 'g', topic: 'a', to: 'first' })
    expect(reset.queues).toEqual([{ topic: 'a', queueId: 0, from: 2, to: 0 }])
    expect(await mq.admin.groupProgress('g')).toMatchObject({ lagMessages: 5 })
    await mq.admin.resetOffset({ group: 'g', topic: 'a', to: 4 })
    expect(await mq.admin.groupProgress('g')).toMatchObject({ lagMessages: 1 })
    expect(await mq.admin.purge({ topic: 'a' })).toEqual({ groups: ['g'], queues: [{ queueId: 0, messages: 5 }] })
    expect(await mq.admin.groupProgress('g')).toMatchObject({ lagMessages: 0 })
    await mq.admin.waitUntilEmpty('g')
    await mq.admin.deleteGroup('g')
    await expect(mq.admin.groupProgress('g')).rejects.toThrow(coded('GROUP_NOT_FOUND'))
    const nowhere = mq.admin.resetOffset({ group: 'g', topic: 'a', to: new Date(Number.NaN) })
    await expect(nowhere).rejects.toThrow(coded('INVALID_ARGUMENT'))
    const nobody = mq.admin.resetOffset({ group: 'g', topic: 'a', to: 'first' })
    await expect(nobody).rejects.toThrow(coded('GROUP_NOT_FOUND'))
    expect(await mq.admin.groups()).toEqual([])
  })

  test('waitUntilEmpty resolves with the last acknowledgement, and rejects when aborted or closed', async () => {
    const { mq } = await openQueue()
    const producer = mq.producer()
    for (let i = 0; i < 20; i++) await producer.send({ topic: 'a', body: `${i}` })
    let handled = 0
    const consumer = await mq.pushConsumer({
      consumerGroup: 'g',
      subscriptions: { a: '*' },
      messageListener: async () => {
        await Promise.resolve()
        handled++
      },
    })
    await mq.admin.waitUntilEmpty('g')
    expect(handled).toBe(20)
    await consumer.close()
    await producer.send({ topic: 'a', body: 'one more' })
    const stop = new AbortController()
    const aborted = mq.admin.waitUntilEmpty('g', { signal: stop.signal })
    const closed = mq.admin.waitUntilEmpty('g')
    stop.abort()
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
    const rejected = expect(closed).rejects.toThrow(coded('STORE_CLOSED'))
    await mq.close()
    await rejected
  })
})

describe('dead letters', () => {
  test('are listed with the topic they were sent to, and sent back to their group once', async () => {
    const { mq, disk, clock } = await openQueue()
    await mq.admin.createTopic({ topic: 'a', queues: 1 })
    for (let i = 0; i < 4; i++) await mq.producer().send({ topic: 'a', body: `${i}`, tag: 't' })
    const failing = await mq.pushConsumer({
      consumerGroup: 'g',
      subscriptions: { a: '*' },
      maxAttempts: 0,
      messageListener: () => {
        throw new Error('no')
      },
    })
    await mq.admin.waitUntilEmpty('g')
    await failing.close()
    const letters = await mq.admin.deadLetters('g')
    expect(letters.map(letter => [letter.topic, letter.body.toString()]).sort()).toEqual([
      ['a', '0'],
      ['a', '1'],
      ['a', '2'],
      ['a', '3'],
    ])
    expect(await mq.admin.redrive({ group: 'g', max: 1 })).toEqual({ redriven: 1, left: 3 })
    const isLast = (letter: MessageView): boolean => letter.body.toString() === '3'
    const second = await mq.admin.redrive({ group: 'g', filter: isLast })
    expect(second.redriven + second.left).toBe(3)
    const left = (await mq.admin.deadLetters('g')).length
    const killed = disk.kill()
    const { mq: after } = await openQueue({}, { disk: killed, clock })
    // What was sent back is remembered, and nothing of it is sent back again.
    expect((await after.admin.deadLetters('g')).length).toBe(left)
    await after.admin.redrive({ group: 'g' })
    expect(await after.admin.redrive({ group: 'g' })).toEqual({ redriven: 0, left: 0 })
    const seen: string[] = []
    const consumer = await after.pushConsumer({
      consumerGroup: 'g',
      subscriptions: { a: '*' },
      messageListener: message => {
        seen.push(`${message.topic} ${message.body} ${message.deliveryAttempt}`)
      },
    })
    await after.admin.waitUntilEmpty('g')
    await consumer.close()
    expect(seen.sort()).toEqual(['a 0 1', 'a 1 1', 'a 2 1', 'a 3 1'])
  })
})

describe('dead letters that lie', () => {
  async function withDeadLetters(count: number): Promise<Bench> {
    const bench = await openQueue()
    const { mq } = bench
    const dead = { consumerGroup: 'g', subscriptions: { a: '*' }, messageListener: () => 'dlq' }
    const consumer = await mq.pushConsumer(dead)
    for (let i = 0; i < count; i++) await mq.producer().send({ topic: 'a', body: `${i}` })
    await mq.admin.waitUntilEmpty('g')
    await consumer.close()
    return bench
  }

  test('are said in health, with how many and how old, until they are sent back or purged', async () => {
    const { mq, clock } = await withDeadLetters(3)
    await clock.advance(90 * 60_000)
    expect((await mq.admin.health()).findings).toContain('group g has 3 dead letters, the oldest for 1.5 hours')
    await mq.admin.redrive({ group: 'g', max: 1 })
    expect((await mq.admin.health()).findings).toContain('group g has 2 dead letters, the oldest for 1.5 hours')
    await mq.admin.purge({ topic: '%DLQ%g' })
    expect((await mq.admin.health()).findings.join()).not.toContain('dead letters')
    expect(await mq.admin.deadLetters('g')).toEqual([])
  })

  test('are sent back no faster than asked for', async () => {
    const { mq, clock } = await withDeadLetters(3)
    let isDone = false
    const redriven = mq.admin.redrive({ group: 'g', rate: 10 }).then(result => {
      isDone = true
      return result
    })
    await clock.advance(199)
    expect([isDone, mq.store.queueRange('%RETRY%g', 0)?.maxQueueOffset]).toEqual([false, 2])
    await clock.advance(1)
    expect(await redriven).toEqual({ redriven: 3, left: 0 })
    await expect(mq.admin.redrive({ group: 'typo' })).rejects.toMatchObject({ code: 'POCKETMQ_GROUP_NOT_FOUND' })
    await expect(mq.admin.redrive({ group: 'g', rate: 0 })).rejects.toMatchObject({
      code: 'POCKETMQ_INVALID_ARGUMENT',
    })
  })
})

describe('the whole', () => {
  test('a snapshot of a live folder opens, with what was pending in it', async () => {
    const { mq, disk, clock } = await openQueue()
    const producer = mq.producer({ group: 'pg' })
    await producer.send({ topic: 'a', body: 'plain' })
    await producer.send({ topic: 'a', body: 'by time', delay: 4_000 })
    await producer.send({ topic: 'a', body: 'by level', delayLevel: 2 })
    await producer.send({ topic: 'a', body: 'half' }, producer.beginTransaction())
    await mq.admin.snapshot('/copy')
    await producer.send({ topic: 'a', body: 'after' })
    const { PocketMQ } = await import('../../src/messaging/pocket-mq.ts')
    const copy = await PocketMQ.open('/copy', { fileSystem: disk.kill(), clock })
    copy.producer({ group: 'pg', checker: () => 'commit' })
    await clock.advance(20_000)
    expect(await bodiesOf(copy, 'a')).toEqual(['plain', 'by time', 'by level', 'half'])
    await copy.close()
  })

  test('health and statistics speak of what somebody should look at', async () => {
    const { mq } = await openQueue()
    expect(await mq.admin.health()).toEqual({ status: 'ok', findings: [] })
    await mq.producer().send({ topic: 'a', body: 'x' })
    await mq.store.dispatched(mq.store.watermarks.appended)
    expect(await mq.admin.health()).toEqual({
      status: 'attention',
      findings: ['topic a has messages and no group consumes it'],
    })
    const consumer = await mq.simpleConsumer({ consumerGroup: 'g', subscriptions: { a: '*' } })
    expect((await mq.admin.health()).status).toBe('ok')
    expect((await mq.admin.consumers('g')).length).toBe(1)
    await consumer.close()
    expect((await mq.admin.health()).findings).toEqual(['group g has 1 messages to consume and no live member'])
    expect(await mq.admin.stats()).toMatchObject({ topics: 1, groups: 1, delayed: 0, undecidedTransactions: 0 })
    expect((await mq.admin.verify()).findingCount).toBe(0)
  })

  test('a store that failed is said to have failed', async () => {
    const { mq, disk } = await openQueue()
    disk.inject({ operation: 'flush', path: /commitlog/, fault: { errno: 'EIO' } })
    await expect(mq.producer().send({ topic: 'a', body: 'x' }, { durability: 'disk' })).rejects.toThrow()
    expect((await mq.admin.health()).status).toBe('failed')
  })

  test('a topic without a group and a group without a member are spoken of once, a while later', async () => {
    const { mq, clock } = await openQueue({ healthDelayMs: 1_000 })
    const unconsumed: MessagingEvents['topic-unconsumed'][] = []
    const absent: MessagingEvents['group-absent'][] = []
    mq.on('topic-unconsumed', detail => unconsumed.push(detail))
    mq.on('group-absent', detail => absent.push(detail))
    const producer = mq.producer()
    await producer.send({ topic: 'a', body: 'x' })
    await clock.advance(999)
    expect(unconsumed).toEqual([])
    await clock.advance(1)
    expect(unconsumed).toEqual([{ topic: 'a', messages: 1 }])
    await producer.send({ topic: 'a', body: 'y' })
    await clock.advance(5_000)
    expect(unconsumed.length).toBe(1)
    const consumer = await mq.simpleConsumer({ consumerGroup: 'g', subscriptions: { a: '*' } })
    await consumer.close()
    await producer.send({ topic: 'a', body: 'z' })
    await clock.advance(5_000)
    expect(absent).toEqual([{ group: 'g', absentMs: 1_000, lag: 3 }])
  })
})
