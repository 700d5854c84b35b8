import { describe, expect, test } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import { QueueWatches } from '../../src/messaging/queue-watches.ts'
import type { DispatchRequest } from '../../src/store/message-store.ts'

function at(topic: string, queueId: number, queueOffset: number): DispatchRequest {
  return { topic, queueId, queueOffset } as DispatchRequest
}

describe('watches of queues', () => {
  test('tell once for all that came in a turn, with one past the last message', async () => {
    const watches = new QueueWatches(() => false)
    const told: number[] = []
    watches.watchQueue('orders', 0, end => told.push(end))
    for (let i = 0; i < 5; i++) watches.dispatched(at('orders', 0, i))
    watches.dispatched(at('orders', 1, 0))
    watches.dispatched(at('audit', 0, 0))
    expect(told).toEqual([])
    await nextTurn()
    expect(told).toEqual([5])
    watches.dispatched(at('orders', 0, 5))
    await nextTurn()
    expect(told).toEqual([5, 6])
  })

  test('tell nobody who has stopped', async () => {
    const watches = new QueueWatches(() => false)
    const told: number[] = []
    const stops = [
      watches.watchQueue('orders', 0, end => told.push(end)),
      watches.watchTopic('orders', id => told.push(id)),
    ]
    for (const stop of stops) stop()
    watches.dispatched(at('orders', 0, 0))
    await nextTurn()
    expect(told).toEqual([])
  })

  test('tell of a queue at its first message, and who comes later anew', async () => {
    const watches = new QueueWatches(() => false)
    const told: string[] = []
    watches.watchTopic('orders', (id, end) => told.push(`a ${id}/${end}`))
    watches.dispatched(at('orders', 3, 0))
    watches.dispatched(at('orders', 3, 1))
    await nextTurn()
    expect(told).toEqual(['a 3/2'])
    watches.watchTopic('orders', (id, end) => told.push(`b ${id}/${end}`))
    watches.dispatched(at('orders', 3, 2))
    await nextTurn()
    expect(told).toEqual(['a 3/2', 'a 3/3', 'b 3/3'])
  })

  test('tell of the queues of a topic that was deleted and came again', async () => {
    const watches = new QueueWatches(() => false)
    const told: string[] = []
    watches.watchTopic('orders', (id, end) => told.push(`${id}/${end}`))
    watches.dispatched(at('orders', 0, 0))
    await nextTurn()
    watches.forget('orders')
    watches.dispatched(at('orders', 0, 7))
    await nextTurn()
    expect(told).toEqual(['0/1', '0/8'])
  })

  test('say which topics may hold copies that settle others', () => {
    const watches = new QueueWatches(topic => topic.startsWith('%'))
    const settles = ['%RETRY%g', 'orders', '%RETRY%g'].map(topic => watches.dispatched(at(topic, 0, 0)))
    expect(settles).toEqual([true, false, true])
  })
})
