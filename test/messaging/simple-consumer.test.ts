import { describe, expect, test } from 'vitest'
import { openKit, settled } from './consuming-bench.ts'

const everything = { consumerGroup: 'billing', subscriptions: { orders: '*' } }
const invalidHandle = expect.objectContaining({ code: 'POCKETMQ_INVALID_RECEIPT_HANDLE' })

describe('a simple consumer', () => {
  test('receives, and what it acknowledges is done', async () => {
    const { kit } = await openKit()
    await kit.fill(3)
    const simple = await kit.consumers.simple(everything)
    const messages = await simple.receive(2)
    expect(messages.map(message => message.queueOffset)).toEqual([0, 1])
    await simple.ack(messages[1] as (typeof messages)[0])
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(0)
    await messages[0]?.ack()
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(2)
  })

  test('has receipts in the grammar of POP_CK, which end a message without the message object', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(1)
    const simple = await kit.consumers.simple(everything)
    const [message] = await simple.receive(1, 30_000)
    expect(message?.receiptHandle).toBe(`0 ${clock.nowMs()} 30000 0 0 pocketmq 0 0`)
    await simple.ack({ topic: 'orders', receiptHandle: message?.receiptHandle ?? '' })
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(1)
  })

  test('waits for a message, and answers with none when the wait is over', async () => {
    const { kit, clock } = await openKit()
    const simple = await kit.consumers.simple({ ...everything, awaitDuration: 1000 })
    const first = simple.receive(16)
    await kit.fill(1)
    expect((await first).map(message => message.queueOffset)).toEqual([0])
    const second = simple.receive(16)
    await clock.advance(1000)
    expect(await second).toEqual([])
  })

  test('a message that is not acknowledged in time is delivered again as the next attempt, and its old receipt ends nothing', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(1)
    const simple = await kit.consumers.simple(everything)
    const [first] = await simple.receive(1, 10_000)
    await clock.advance(10_000)
    const [again] = await simple.receive(1, 10_000)
    expect(again).toMatchObject({ topic: 'orders', deliveryAttempt: 2, messageId: first?.messageId })
    await expect(first?.ack()).rejects.toEqual(invalidHandle)
    await again?.ack()
    expect(await kit.core.progress({ clientId: 'test' }, 'billing')).toMatchObject({ lagMessages: 0 })
  })

  test('a receipt ends its message once', async () => {
    const { kit } = await openKit()
    await kit.fill(1)
    const simple = await kit.consumers.simple(everything)
    const [message] = await simple.receive()
    await message?.ack()
    await expect(message?.ack()).rejects.toEqual(invalidHandle)
    await expect(simple.ack({ topic: 'orders', receiptHandle: 'rubbish' })).rejects.toEqual(invalidHandle)
    await expect(simple.ack({ topic: 'nowhere', receiptHandle: '0 1 1 0 0 b 0 0' })).rejects.toEqual(invalidHandle)
  })

  test('asking for more time answers a new receipt, and the one before is dead', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(1)
    const simple = await kit.consumers.simple({ ...everything, awaitDuration: 0 })
    const [message] = await simple.receive(1, 10_000)
    const before = message?.receiptHandle ?? ''
    await clock.advance(9000)
    const after = await simple.changeInvisibleDuration({ topic: 'orders', receiptHandle: before }, 10_000)
    expect(after).not.toBe(before)
    await clock.advance(9000)
    expect(await simple.receive()).toEqual([])
    await expect(simple.ack({ topic: 'orders', receiptHandle: before })).rejects.toEqual(invalidHandle)
    await simple.ack({ topic: 'orders', receiptHandle: after })
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(1)
  })

  test('a message given back is delivered again at once, or after a delay', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(1)
    const simple = await kit.consumers.simple({ ...everything, awaitDuration: 0 })
    const [first] = await simple.receive()
    await first?.nack()
    await settled()
    const [second] = await simple.receive()
    expect(second?.deliveryAttempt).toBe(2)
    await second?.nack({ delay: 5000 })
    expect(await simple.receive()).toEqual([])
    await clock.advance(4999)
    expect(await simple.receive()).toEqual([])
    await clock.advance(1)
    expect((await simple.receive())[0]?.deliveryAttempt).toBe(3)
  })

  test('two consumers of a group never have one message at the same time', async () => {
    const { kit } = await openKit()
    await kit.fill(50)
    const [a, b] = [await kit.consumers.simple(everything), await kit.consumers.simple(everything)]
    const got = [...(await a.receive(30)), ...(await b.receive(30))].map(message => message.queueOffset)
    expect([got.length, new Set(got).size]).toEqual([50, 50])
  })

  test('shares a group with push consumers', async () => {
    const { kit } = await openKit()
    const simple = await kit.consumers.simple({ ...everything, awaitDuration: 0 })
    const pushed: number[] = []
    await kit.consumers.push({
      ...everything,
      concurrency: 1,
      messageListener: message => pushed.push(message.queueOffset),
    })
    await kit.fill(10)
    await settled()
    expect(pushed).toHaveLength(10)
    expect(await simple.receive()).toEqual([])
  })

  test('what it had when it closed goes to others at once', async () => {
    const { kit } = await openKit()
    await kit.fill(2)
    const first = await kit.consumers.simple(everything)
    expect(await first.receive()).toHaveLength(2)
    const waiting = (await kit.consumers.simple(everything)).receive()
    await first.close()
    expect((await waiting).map(message => [message.queueOffset, message.deliveryAttempt])).toEqual([
      [0, 1],
      [1, 1],
    ])
  })

  test('loops over messages, one at a time', async () => {
    const { kit } = await openKit()
    await kit.fill(4)
    const simple = await kit.consumers.simple(everything)
    const offsets: number[] = []
    for await (const message of simple) {
      offsets.push(message.queueOffset)
      await message.ack()
      if (offsets.length === 4) break
    }
    expect([offsets, kit.offsets.offset('billing', 'orders', 0)]).toEqual([[0, 1, 2, 3], 4])
  })

  test('unacknowledged messages are visible at once after a kill, acknowledged ones are not', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.fill(4)
    const simple = await kit.consumers.simple(everything)
    const messages = await simple.receive()
    await messages[1]?.ack()
    await messages[3]?.ack()
    const again = await openKit({ disk: disk.kill(), clock })
    const rest = await (await again.kit.consumers.simple(everything)).receive()
    expect(rest.map(message => [message.queueOffset, message.deliveryAttempt])).toEqual([
      [0, 1],
      [2, 1],
    ])
  })

  test('receives of bad sizes or times are refused', async () => {
    const { kit } = await openKit()
    const simple = await kit.consumers.simple(everything)
    const invalid = expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' })
    await expect(simple.receive(0)).rejects.toEqual(invalid)
    await expect(simple.receive(1, 999)).rejects.toEqual(invalid)
    await expect(simple.receive(1, 13 * 3_600_000)).rejects.toEqual(invalid)
  })

  test('in order has to choose what becomes of exhausted messages', async () => {
    const { kit } = await openKit()
    const invalid = expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT', details: { option: 'onExhausted' } })
    await expect(kit.consumers.simple({ ...everything, orderly: true })).rejects.toEqual(invalid)
  })

  test('an aborted receive takes nothing', async () => {
    const { kit } = await openKit()
    const simple = await kit.consumers.simple(everything)
    const stop = new AbortController()
    const waiting = simple.receive(1, 10_000, { signal: stop.signal })
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
    await kit.fill(1)
    expect(await simple.receive()).toHaveLength(1)
  })

  test('in order, a queue gives nothing more until what was received has ended', async () => {
    const { kit } = await openKit()
    await kit.fill(4)
    const simple = await kit.consumers.simple({ ...everything, orderly: true, onExhausted: 'dlq', awaitDuration: 0 })
    const first = await simple.receive(2)
    expect(first.map(message => message.queueOffset)).toEqual([0, 1])
    expect(await simple.receive(2)).toEqual([])
    await first[0]?.ack()
    expect(await simple.receive(2)).toEqual([])
    await first[1]?.ack()
    expect((await simple.receive(2)).map(message => message.queueOffset)).toEqual([2, 3])
  })

  test('with an awaitDuration of 0 looks at what is cold before it answers with none', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.fill(3)
    await kit.store.flush()
    const again = await openKit({ disk: disk.kill(), clock })
    const simple = await again.kit.consumers.simple({ ...everything, awaitDuration: 0 })
    expect(again.kit.store.get({ topic: 'orders', queueId: 0, queueOffset: 0, maxMessages: 1 }).status).toBe('cold')
    expect((await simple.receive()).map(message => message.queueOffset)).toEqual([0, 1, 2])
    expect(await simple.receive()).toEqual([])
  })

  test('with an awaitDuration of 0 reads through a cold backlog that its expression does not match', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.fill(300, i => ({ tag: i === 299 ? 'paid' : 'open' }))
    const again = await openKit({ disk: disk.kill(), clock })
    const subscriptions = { orders: { sql: "TAGS = 'paid'" } }
    const simple = await again.kit.consumers.simple({ consumerGroup: 'billing', subscriptions, awaitDuration: 0 })
    expect((await simple.receive()).map(message => message.queueOffset)).toEqual([299])
    expect(await simple.receive()).toEqual([])
  })

  test('keeps what it has while it is there, where it asks to renew by itself: three hours at most', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(2)
    const simple = await kit.consumers.simple({ ...everything, awaitDuration: 0, autoRenew: true })
    const [first, second] = await simple.receive(2, 10_000)
    await clock.advance(2 * 3_600_000)
    expect(await simple.receive()).toEqual([])
    await first?.ack()
    await clock.advance(3_600_000 - 1)
    expect(await simple.receive()).toEqual([])
    await clock.advance(1)
    expect((await simple.receive())[0]).toMatchObject({
      queueOffset: 0,
      deliveryAttempt: 2,
      messageId: second?.messageId,
    })
    await expect(second?.ack()).rejects.toEqual(invalidHandle)
  })

  test('what it renews goes to others at once when it closes, and what it gives back is not renewed', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(2)
    const first = await kit.consumers.simple(everything)
    const [one] = await first.receive(2, 10_000, { autoRenew: true })
    await one?.nack({ delay: 5000 })
    await clock.advance(5000)
    const other = await kit.consumers.simple({ ...everything, awaitDuration: 0 })
    expect((await other.receive()).map(message => message.deliveryAttempt)).toEqual([2])
    await first.close()
    expect((await other.receive()).map(message => message.queueOffset)).toEqual([1])
  })

  test('a receipt from before a restart ends nothing, before and after its message comes again', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.fill(1)
    const [before] = await (await kit.consumers.simple(everything)).receive(1, 12 * 3_600_000)
    const old = { topic: 'orders', receiptHandle: before?.receiptHandle ?? '' }
    const again = await openKit({ disk: disk.kill(), clock })
    await clock.advance(1)
    const simple = await again.kit.consumers.simple(everything)
    await expect(simple.ack(old)).rejects.toEqual(invalidHandle)
    await expect(simple.changeInvisibleDuration(old, 10_000)).rejects.toEqual(invalidHandle)
    const [message] = await simple.receive()
    expect(message).toMatchObject({ messageId: before?.messageId, deliveryAttempt: 1 })
    await expect(simple.ack(old)).rejects.toEqual(invalidHandle)
    await message?.ack()
    expect(again.kit.offsets.offset('billing', 'orders', 0)).toBe(1)
  })

  test('in order, a receive that is asked again with its attemptId answers the same messages by the same receipts', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(4)
    const simple = await kit.consumers.simple({ ...everything, orderly: true, onExhausted: 'dlq', awaitDuration: 0 })
    const first = await simple.receive(2, 10_000, { attemptId: 'a' })
    await clock.advance(9000)
    const again = await simple.receive(2, 10_000, { attemptId: 'a' })
    const seen = (messages: typeof first) => messages.map(message => [message.messageId, message.receiptHandle])
    expect(seen(again)).toEqual(seen(first))
    expect(again.map(message => [message.queueOffset, message.deliveryAttempt])).toEqual([
      [0, 1],
      [1, 1],
    ])
    // Its time has started anew, and another attempt gets nothing meanwhile.
    await clock.advance(9000)
    expect(await simple.receive(2, 10_000, { attemptId: 'b' })).toEqual([])
    await again[0]?.ack()
    expect((await simple.receive(2, 10_000, { attemptId: 'a' })).map(message => message.queueOffset)).toEqual([1])
    await first[1]?.ack()
    expect((await simple.receive(2, 10_000, { attemptId: 'a' })).map(message => message.queueOffset)).toEqual([2, 3])
  })

  test('answers with none when it closes while it waits, and takes nothing with it', async () => {
    const { kit } = await openKit()
    const simple = await kit.consumers.simple(everything)
    const waiting = simple.receive()
    await simple.close()
    expect(await waiting).toEqual([])
    await expect(simple.receive()).rejects.toMatchObject({ code: 'POCKETMQ_STORE_CLOSED' })
  })
})
