import { describe, expect, test } from 'vitest'
import type { MessagingEvents } from '../../src/messaging/events.ts'
import type { MessageView } from '../../src/messaging/message-view.ts'
import { GIVE_UP_TOPIC, HALF_TOPIC, OP_TOPIC } from '../../src/messaging/topics.ts'
import type { TransactionDecision } from '../../src/messaging/transaction.ts'
import { bodiesOf, messagesOf, openQueue } from './queue-on-disk.ts'

describe('transactions', () => {
  test('nobody sees the message before the commit, and then as it was sent', async () => {
    const { mq } = await openQueue()
    const producer = mq.producer({ group: 'pg' })
    const transaction = producer.beginTransaction()
    const receipt = await producer.send(
      { topic: 'a', body: 'x', tag: 't', keys: ['k'], properties: { p: 'v' } },
      transaction,
    )
    expect(receipt.transactionId).toBe(receipt.messageId)
    expect(await bodiesOf(mq, 'a')).toEqual([])
    await transaction.commit()
    const [committed] = await messagesOf(mq, 'a')
    const [half] = await messagesOf(mq, HALF_TOPIC)
    expect(committed?.body.toString()).toBe('x')
    expect(committed?.tag).toBe('t')
    expect(committed?.uniqueKey).toBe(receipt.messageId)
    expect(committed?.sysFlag).toBe(8)
    expect(committed?.preparedTransactionOffset).toBe(half?.physicalOffset)
    expect(half?.sysFlag).toBe(0)
    expect(half?.property('PGROUP')).toBe('pg')
    expect(await bodiesOf(mq, OP_TOPIC)).toEqual(['0,'])
  })

  test('a rolled back message is never seen', async () => {
    const { mq, clock } = await openQueue()
    const producer = mq.producer({ group: 'pg', checker: () => 'commit' })
    const transaction = producer.beginTransaction()
    await producer.send({ topic: 'a', body: 'x' }, transaction)
    await transaction.rollback()
    await clock.advance(60_000)
    expect(await bodiesOf(mq, 'a')).toEqual([])
    expect((await messagesOf(mq, HALF_TOPIC)).length).toBe(1)
  })

  test('the first decision holds: the same again is fine, the other is refused, also after a reopen', async () => {
    const { mq, disk, clock } = await openQueue()
    const producer = mq.producer({ group: 'pg' })
    const one = producer.beginTransaction()
    const two = producer.beginTransaction()
    const first = await producer.send({ topic: 'a', body: 'x' }, one)
    const second = await producer.send({ topic: 'a', body: 'y' }, two)
    await one.commit()
    await two.rollback()
    await one.commit()
    await expect(one.rollback()).rejects.toMatchObject({
      code: 'POCKETMQ_TRANSACTION_SETTLED',
      details: { settledAs: 'commit' },
    })
    await expect(two.commit()).rejects.toMatchObject({
      code: 'POCKETMQ_TRANSACTION_SETTLED',
      details: { settledAs: 'rollback' },
    })
    await mq.close()
    const { mq: after } = await openQueue({}, { disk: disk.kill(), clock })
    expect(await bodiesOf(after, 'a')).toEqual(['x'])
    const end = (transactionId: string | undefined, resolution: 'commit' | 'rollback') =>
      after.core.producing.endTransaction({
        producerGroup: 'pg',
        transactionId: transactionId ?? '',
        resolution,
        fromCheck: false,
      })
    expect(await end(first.transactionId, 'rollback')).toEqual({ status: 'settled', settledAs: 'commit' })
    expect(await end(first.transactionId, 'commit')).toMatchObject({ status: 'ok' })
    expect(await end(second.transactionId, 'commit')).toEqual({ status: 'settled', settledAs: 'rollback' })
    expect(await end('NOBODY', 'commit')).toEqual({ status: 'not-found' })
    expect(await bodiesOf(after, 'a')).toEqual(['x'])
  })

  test('commit and rollback at once: one of them wins, and that is what is stored', async () => {
    const { mq } = await openQueue()
    const producer = mq.producer({ group: 'pg' })
    const transaction = producer.beginTransaction()
    await producer.send({ topic: 'a', body: 'x' }, transaction)
    const [committed, rolledBack] = await Promise.allSettled([transaction.commit(), transaction.rollback()])
    expect(committed.status).toBe('fulfilled')
    expect(rolledBack.status).toBe('rejected')
    expect((await messagesOf(mq, 'a')).length).toBe(1)
    expect((await messagesOf(mq, OP_TOPIC)).length).toBe(1)
  })

  test('another group cannot decide, and one transaction takes one message', async () => {
    const { mq } = await openQueue()
    const producer = mq.producer({ group: 'pg' })
    const transaction = producer.beginTransaction()
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'POCKETMQ_INVALID_ARGUMENT' })
    const { transactionId = '' } = await producer.send({ topic: 'a', body: 'x' }, transaction)
    await expect(producer.send({ topic: 'a', body: 'y' }, transaction)).rejects.toMatchObject({
      code: 'POCKETMQ_INVALID_ARGUMENT',
    })
    const stranger = { producerGroup: 'other', transactionId, resolution: 'commit', fromCheck: false } as const
    expect(await mq.core.producing.endTransaction(stranger)).toEqual({ status: 'illegal' })
    expect(await bodiesOf(mq, 'a')).toEqual([])
  })

  test('a transaction needs a group, and its message neither a delay nor a dedupe key', async () => {
    const { mq } = await openQueue()
    expect(() => mq.producer().beginTransaction()).toThrow(
      expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }),
    )
    const producer = mq.producer({ group: 'pg' })
    for (const more of [{ delay: 5 }, { delayLevel: 1 }, { dedupeKey: 'k' }]) {
      const transaction = producer.beginTransaction()
      await expect(producer.send({ topic: 'a', body: 'x', ...more }, transaction)).rejects.toMatchObject({
        code: 'POCKETMQ_INVALID_ARGUMENT',
      })
      await producer.send({ topic: 'a', body: 'x' }, transaction)
    }
  })
})

describe('check-back', () => {
  test('an undecided transaction is asked about after its time, then every interval', async () => {
    const { mq, clock } = await openQueue({ transactionTimeoutMs: 6_000, transactionCheckIntervalMs: 30_000 })
    const asked: [number, string][] = []
    const answers: TransactionDecision[] = ['unknown', 'unknown', 'commit']
    const start = clock.nowMs()
    const checker = (message: MessageView): TransactionDecision => {
      asked.push([clock.nowMs() - start, message.body.toString()])
      return answers.shift() ?? 'rollback'
    }
    const producer = mq.producer({ group: 'pg', checker })
    await producer.send({ topic: 'a', body: 'x' }, producer.beginTransaction())
    await clock.advance(5_999)
    expect(asked).toEqual([])
    await clock.advance(100_000)
    expect(asked.map(([ms]) => ms)).toEqual([6_000, 36_000, 66_000])
    expect(asked[0]?.[1]).toBe('x')
    expect(await bodiesOf(mq, 'a')).toEqual(['x'])
    const halves = await messagesOf(mq, HALF_TOPIC)
    expect(halves.map(half => half.property('TRANSACTION_CHECK_TIMES'))).toEqual([undefined, '1', '2', '3'])
  })

  test('a message may ask for more time', async () => {
    const { mq, clock } = await openQueue()
    let asked = 0
    const checker = {
      check: (): TransactionDecision => {
        asked++
        return 2
      },
    }
    const producer = mq.producer({ group: 'pg', checker })
    await producer.send({ topic: 'a', body: 'x' }, producer.beginTransaction(), { checkImmunityMs: 20_000 })
    await clock.advance(19_999)
    expect(asked).toBe(0)
    await clock.advance(1)
    expect(asked).toBe(1)
    await clock.advance(100_000)
    expect(asked).toBe(1)
    expect(await bodiesOf(mq, 'a')).toEqual([])
  })

  test('after the last question it is given up, and said so', async () => {
    const { mq, clock } = await openQueue({ transactionChecksMax: 3 })
    const given: MessagingEvents['transaction-given-up'][] = []
    mq.on('transaction-given-up', detail => given.push(detail))
    let asked = 0
    const producer = mq.producer({
      group: 'pg',
      checker: () => {
        asked++
        throw new Error('no idea')
      },
    })
    const transaction = producer.beginTransaction()
    const { transactionId } = await producer.send({ topic: 'a', body: 'x' }, transaction)
    await clock.advance(600_000)
    expect(asked).toBe(3)
    expect(given).toEqual([{ producerGroup: 'pg', transactionId, topic: 'a', checks: 3 }])
    expect(await bodiesOf(mq, GIVE_UP_TOPIC)).toEqual(['x'])
    expect(await bodiesOf(mq, 'a')).toEqual([])
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'POCKETMQ_TRANSACTION_SETTLED' })
  })

  test('without a checker it is kept, said, and asked about as soon as one comes', async () => {
    const { mq, clock, disk } = await openQueue()
    const producer = mq.producer({ group: 'pg' })
    await producer.send({ topic: 'a', body: 'x' }, producer.beginTransaction())
    const killed = disk.kill()
    const { mq: after } = await openQueue({}, { disk: killed, clock })
    const missing: unknown[] = []
    after.on('transaction-no-checker', detail => missing.push(detail))
    await clock.advance(40_000)
    expect(missing.length).toBe(2)
    expect(await messagesOf(after, GIVE_UP_TOPIC)).toEqual([])
    after.producer({ group: 'pg', checker: () => 'commit' })
    await clock.advance(0)
    await clock.advance(0)
    expect(await bodiesOf(after, 'a')).toEqual(['x'])
  })

  test('the number of questions survives a crash, and so does the decision', async () => {
    const { mq, clock, disk } = await openQueue({ transactionChecksMax: 4 })
    const asked = { before: 0, after: 0 }
    const checker = (life: 'before' | 'after') => (): TransactionDecision => {
      asked[life]++
      return 'unknown'
    }
    const producer = mq.producer({ group: 'pg', checker: checker('before') })
    await producer.send({ topic: 'a', body: 'x' }, producer.beginTransaction())
    await clock.advance(6_000 + 30_000)
    const killed = disk.kill()
    expect(asked.before).toBe(2)
    const { mq: after } = await openQueue({ transactionChecksMax: 4 }, { disk: killed, clock })
    after.producer({ group: 'pg', checker: checker('after') })
    await clock.advance(600_000)
    expect(asked.after).toBe(2)
    expect(await bodiesOf(after, GIVE_UP_TOPIC)).toEqual(['x'])
  })

  test('no crash commits twice or loses a decision that was acknowledged', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const { mq, disk, clock } = await openQueue()
      const producer = mq.producer({ group: 'pg' })
      const decided: Record<string, string> = {}
      for (let i = 0; i < 12; i++) {
        const transaction = producer.beginTransaction()
        await producer.send({ topic: 'a', body: `${i}` }, transaction, { durability: 'disk' })
        if (i % 3 === 0) await transaction.commit()
        if (i % 3 === 1) await transaction.rollback()
        decided[i] = (['commit', 'rollback', 'open'] as const)[i % 3] as string
      }
      const { mq: after } = await openQueue({}, { disk: disk.powerCut(seed), clock })
      // Everything undecided is committed by the checker.
      after.producer({ group: 'pg', checker: () => 'commit' })
      await clock.advance(20_000)
      const bodies = await bodiesOf(after, 'a')
      expect(new Set(bodies).size).toBe(bodies.length)
      for (const [i, decision] of Object.entries(decided)) expect(bodies.includes(i)).toBe(decision !== 'rollback')
      await after.close()
      await mq.close()
    }
  })

  test("RocketMQ's two offsets say at a clean close where a broker goes on", async () => {
    const { mq, disk } = await openQueue()
    const producer = mq.producer({ group: 'pg' })
    const transactions = []
    for (let i = 0; i < 5; i++) {
      const transaction = producer.beginTransaction()
      await producer.send({ topic: 'a', body: `${i}` }, transaction)
      transactions.push(transaction)
    }
    for (const i of [0, 1, 3]) await transactions[i]?.commit()
    await mq.close()
    const { offsetTable } = JSON.parse(disk.contentOf('/queue/config/consumerOffset.json').toString())
    expect(offsetTable[`${HALF_TOPIC}@CID_RMQ_SYS_TRANS`]).toEqual({ 0: 2 })
    // The op message of half message 3 is still needed: 2 is undecided.
    expect(offsetTable[`${OP_TOPIC}@CID_RMQ_SYS_TRANS`]).toEqual({ 0: 2 })
  })
})
