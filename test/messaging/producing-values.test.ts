import { expect, test } from 'vitest'
import { resolveSettings } from '../../src/base/settings-table.ts'
import { UniqueIds } from '../../src/codec/message-id.ts'
import { Alarms } from '../../src/messaging/alarms.ts'
import { Producer } from '../../src/messaging/producer.ts'
import { PRODUCER_SETTINGS } from '../../src/messaging/settings.ts'
import type { Passed } from '../support/cloning-core.ts'
import { cloning } from '../support/cloning-core.ts'
import { bodiesOf, openQueue } from './queue-on-disk.ts'

test('a producer works with a structured clone between it and the service', async () => {
  const { mq, clock } = await openQueue()
  const passed: Passed = new Map()
  const producer = new Producer({
    core: cloning(mq.core.producing, passed),
    settings: resolveSettings(PRODUCER_SETTINGS, { group: 'pg' }, 'producer'),
    ids: new UniqueIds({ nowMs: () => clock.nowMs(), random: () => 0.5, processId: 1 }),
    clock,
    delayMsMax: 86_400_000,
    defaultDurability: 'interval',
    compressor: undefined,
    alarms: new Alarms(clock, 'monotonic', () => undefined),
    onClose: async () => undefined,
  })
  await producer.send({ topic: 'a', body: '1', tag: 't', keys: ['k'], messageGroup: 'g' })
  await producer.send({ topic: 'a', body: '2', dedupeKey: 'd' }, { durability: 'disk' })
  expect(await producer.send({ topic: 'a', body: '2', dedupeKey: 'd' })).toMatchObject({ duplicate: true })
  await producer.sendBatch([
    { topic: 'a', body: '3' },
    { topic: 'a', body: '4' },
  ])
  producer.sendOneway({ topic: 'a', body: '5' })
  const transaction = producer.beginTransaction()
  await producer.send({ topic: 'a', body: '6' }, transaction)
  await transaction.commit()
  const { recallHandle = '' } = await producer.send({ topic: 'a', body: '7', delay: 1_000 })
  expect(await producer.recall(recallHandle)).toMatchObject({ status: 'recalled' })
  await producer.send({ topic: 'a', body: '8', delayLevel: 1 })
  await clock.advance(2_000)
  expect(await bodiesOf(mq, 'a')).toEqual(['1', '2', '3', '4', '5', '6', '8'])
  const operations = ['append', 'appendBatch', 'endTransaction', 'recall', 'reached', 'route', 'chooseQueue']
  expect([...passed.keys()]).toEqual(expect.arrayContaining(operations))
})

test('what a transaction is asked about survives a structured clone', async () => {
  const { mq, clock } = await openQueue()
  const producer = mq.producer({ group: 'pg', clientId: 'me', checker: () => 'unknown' })
  mq.core.delivery.clients.register({ clientId: 'another', producerGroups: ['pg'] })
  await producer.send({ topic: 'a', body: 'x' }, producer.beginTransaction())
  await clock.advance(40_000)
  const [event] = await mq.core.delivery.nextEvents({ clientId: 'another' })
  expect(structuredClone(event)).toMatchObject({ kind: 'check-transaction', producerGroup: 'pg' })
})
