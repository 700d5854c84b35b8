import { describe, expect, test } from 'vitest'
import { tail } from '../../src/messaging/tail.ts'
import { openKit, settled } from './consuming-bench.ts'

const queue = { topic: 'orders', queueId: 0 }
const other = { topic: 'orders', queueId: 1 }

describe('a pull consumer', () => {
  test('reads the queues it was assigned, and goes on where it committed', async () => {
    const { kit, disk, clock } = await openKit()
    await kit.fill(6, i => ({ queueId: i % 2 }))
    const pull = await kit.consumers.pull({ consumerGroup: 'billing' })
    pull.assign([queue, other])
    const first = await pull.poll({ maxMessageNum: 4 })
    expect(first.map(message => `${message.queueId}/${message.queueOffset}`)).toEqual(['0/0', '0/1', '0/2', '1/0'])
    await pull.commit()
    const again = await openKit({ disk: disk.kill(), clock })
    const next = await again.kit.consumers.pull({ consumerGroup: 'billing' })
    next.assign([queue, other])
    expect((await next.poll()).map(message => `${message.queueId}/${message.queueOffset}`)).toEqual(['1/1', '1/2'])
  })

  test('seeks, forwards and back, and commits what it sought', async () => {
    const { kit } = await openKit()
    await kit.fill(5)
    const pull = await kit.consumers.pull({ consumerGroup: 'billing' })
    pull.assign([queue])
    pull.seek(queue, 3)
    expect((await pull.poll()).map(message => message.queueOffset)).toEqual([3, 4])
    await pull.commit()
    pull.seekToBegin(queue)
    expect((await pull.poll({ maxMessageNum: 1 })).map(message => message.queueOffset)).toEqual([0])
    await pull.commit()
    expect(pull.committed(queue)).toBe(1)
    pull.seekToEnd(queue)
    expect(await pull.poll({ timeout: 0 })).toEqual([])
    expect(() => pull.seek(queue, 6)).toThrowError(expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }))
    expect(() => pull.seek(other, 0)).toThrowError(expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' }))
  })

  test('waits for a message, and answers with none when the time is over', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(1, () => ({ queueId: 1 }))
    const pull = await kit.consumers.pull({ consumerGroup: 'billing', startFrom: 'last' })
    pull.assign([queue, other])
    const waiting = pull.poll({ timeout: 5000 })
    await settled()
    await kit.fill(1, () => ({ queueId: 1 }))
    expect((await waiting).map(message => message.queueOffset)).toEqual([1])
    const empty = pull.poll({ timeout: 5000 })
    await clock.advance(5000)
    expect(await empty).toEqual([])
  })

  test('leaves paused queues alone until they are resumed', async () => {
    const { kit } = await openKit()
    await kit.fill(4, i => ({ queueId: i % 2 }))
    const pull = await kit.consumers.pull({ consumerGroup: 'billing' })
    pull.assign([queue, other])
    pull.pause([queue])
    expect((await pull.poll()).map(message => message.queueId)).toEqual([1, 1])
    pull.resume([queue])
    expect((await pull.poll()).map(message => message.queueId)).toEqual([0, 0])
  })

  test('finds an offset by time: the first message at or after it', async () => {
    const { kit, clock } = await openKit()
    const start = clock.nowMs()
    for (let i = 0; i < 5; i++) {
      await kit.fill(1)
      await clock.advance(1000)
    }
    const pull = await kit.consumers.pull({ consumerGroup: 'billing' })
    expect(await pull.offsetForTimestamp(queue, new Date(start + 1001))).toBe(2)
    expect(await pull.offsetForTimestamp(queue, start + 2000)).toBe(2)
    expect(await pull.offsetForTimestamp(queue, start - 1)).toBe(0)
    expect(await pull.offsetForTimestamp(queue, start + 60_000)).toBe(5)
  })

  test('commits by itself what earlier polls returned, once more has been asked for, every five seconds', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(6)
    const pull = await kit.consumers.pull({ consumerGroup: 'billing', autoCommit: true })
    pull.assign([queue])
    await pull.poll({ maxMessageNum: 3 })
    await clock.advance(60_000)
    expect(pull.committed(queue)).toBeUndefined()
    await pull.poll({ maxMessageNum: 3 })
    await clock.advance(4999)
    expect(pull.committed(queue)).toBeUndefined()
    await clock.advance(1)
    expect(pull.committed(queue)).toBe(3)
    await pull.close()
    expect(kit.offsets.offset('billing', 'orders', 0)).toBe(6)
  })

  test('commits by itself as often as it was told to, a second at the least', async () => {
    const { kit, clock } = await openKit()
    await kit.fill(1)
    const invalid = expect.objectContaining({ code: 'POCKETMQ_INVALID_ARGUMENT' })
    await expect(kit.consumers.pull({ consumerGroup: 'billing', autoCommitMs: 999 })).rejects.toEqual(invalid)
    const pull = await kit.consumers.pull({ consumerGroup: 'billing', autoCommitMs: 1000 })
    pull.assign([queue])
    await pull.poll()
    await pull.poll({ timeout: 0 })
    await clock.advance(1000)
    expect(pull.committed(queue)).toBe(1)
  })

  test('commits what it was given, not what a poll that is under way has read', async () => {
    const { kit } = await openKit()
    await kit.fill(2)
    const pull = await kit.consumers.pull({ consumerGroup: 'billing' })
    pull.assign([queue])
    await pull.poll({ maxMessageNum: 1 })
    const underWay = pull.poll({ maxMessageNum: 1 })
    await pull.commit()
    expect(pull.committed(queue)).toBe(1)
    expect(await underWay).toHaveLength(1)
  })

  test('goes on where its group was reset to, though it has a place of its own', async () => {
    const { kit } = await openKit()
    await kit.fill(4)
    const pull = await kit.consumers.pull({ consumerGroup: 'billing' })
    pull.assign([queue])
    await pull.poll()
    await pull.commit()
    const waiting = pull.poll()
    await settled()
    await kit.core.resetOffset({ clientId: 'test' }, { group: 'billing', ...queue, to: { kind: 'offset', value: 1 } })
    expect((await waiting).map(message => message.queueOffset)).toEqual([1, 2, 3])
    expect(pull.committed(queue)).toBe(1)
  })
})

describe('a tail', () => {
  test('follows a topic from its first message, through all queues, new ones included', async () => {
    const { kit } = await openKit()
    await kit.fill(4, i => ({ queueId: i % 2 }))
    const seen: string[] = []
    const stop = new AbortController()
    const following = (async () => {
      for await (const message of tail(kit, 'orders', { from: 'first', signal: stop.signal })) {
        seen.push(`${message.queueId}/${message.queueOffset}`)
      }
    })()
    await settled()
    await kit.fill(2, i => ({ queueId: i === 0 ? 1 : 5 }))
    await settled()
    expect(seen.sort()).toEqual(['0/0', '0/1', '1/0', '1/1', '1/2', '5/0'])
    stop.abort()
    await expect(following).rejects.toMatchObject({ name: 'AbortError' })
  })

  test('begins at the end unless told otherwise, and leaves no trace', async () => {
    const { kit } = await openKit()
    await kit.fill(3)
    const messages = tail(kit, 'orders')
    const next = messages.next()
    await settled()
    await kit.fill(1)
    expect((await next).value?.queueOffset).toBe(3)
    await messages.return(undefined)
    expect([kit.core.groups(), kit.offsets.entries.groups()]).toEqual([[], []])
  })

  test('shows only what its expression matches, and ends when the queue closes', async () => {
    const { kit } = await openKit()
    await kit.fill(4, i => ({ tag: i % 2 === 0 ? 'a' : 'b' }))
    const offsets: number[] = []
    const following = (async () => {
      for await (const message of tail(kit, 'orders', { from: 'first', expression: 'b' }))
        offsets.push(message.queueOffset)
    })()
    await settled()
    await kit.close()
    await following
    expect(offsets).toEqual([1, 3])
  })
})
