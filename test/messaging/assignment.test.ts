import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AssignmentContext, AssignmentFunction } from '../../src/messaging/assignment.ts'
import { assignQueues, averaged, circle, consistentHash } from '../../src/messaging/assignment.ts'
import type { Assignment, ConsumerRegistration, QueueAddress } from '../../src/messaging/core-types.ts'
import { Member } from '../../src/messaging/member.ts'

const PARAMETERS = { seed: 1, numRuns: 300 }
const keys = { ofQueue: (queue: number) => `queue ${queue}`, ofMember: (member: string) => member }
const STRATEGIES: [string, (queues: readonly number[], members: readonly string[]) => Map<number, string>][] = [
  ['averaged', averaged],
  ['circle', circle],
  ['consistent-hash', (queues, members) => consistentHash(queues, members, keys)],
]
const counts = fc.tuple(fc.integer({ min: 0, max: 64 }), fc.uniqueArray(fc.uuid(), { minLength: 1, maxLength: 12 }))
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
const sharesOf = (owners: Map<number, string>): number[] => {
  const shares = new Map<string, number>()
  for (const member of owners.values()) shares.set(member, (shares.get(member) ?? 0) + 1)
  return [...shares.values()]
}

describe.each(STRATEGIES)('%s', (_name, assign) => {
  test('gives every queue to exactly one of the members, and the same to all who ask', () => {
    fc.assert(
      fc.property(counts, ([queues, members]) => {
        const owners = assign(upTo(queues), members)
        expect([...owners.keys()].sort((a, b) => a - b)).toEqual(upTo(queues))
        for (const member of owners.values()) expect(members).toContain(member)
        expect(assign(upTo(queues), [...members])).toEqual(owners)
      }),
      PARAMETERS,
    )
  })

  test('gives nothing where there is nobody', () => {
    expect(assign(upTo(4), [])).toEqual(new Map())
  })
})

test('averaged gives contiguous shares that differ by one at most, the larger ones first', () => {
  expect([...averaged(upTo(4), ['a', 'b', 'c']).values()]).toEqual(['a', 'a', 'b', 'c'])
  expect(sharesOf(averaged(upTo(9), ['a', 'b', 'c']))).toEqual([3, 3, 3])
  expect([...averaged(upTo(2), ['a', 'b', 'c']).values()]).toEqual(['a', 'b'])
  fc.assert(
    fc.property(counts, ([queues, members]) => {
      const shares = sharesOf(averaged(upTo(queues), members))
      expect(shares).toEqual([...shares].sort((a, b) => b - a))
      expect((shares[0] ?? 0) - (shares.at(-1) ?? 0)).toBeLessThanOrEqual(1)
      const inOrder = [...averaged(upTo(queues), members).values()].map(member => members.indexOf(member))
      expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b))
    }),
    PARAMETERS,
  )
})

test('circle gives queue i to member i mod members', () => {
  expect([...circle(upTo(5), ['a', 'b', 'c']).values()]).toEqual(['a', 'b', 'c', 'a', 'b'])
})

test('with consistent-hash a member that goes moves its own queues alone, and one that comes takes queues only for itself', () => {
  fc.assert(
    fc.property(counts, fc.uuid(), ([queues, members], newcomer) => {
      const before = consistentHash(upTo(queues), members, keys)
      const after = consistentHash(upTo(queues), [...members, newcomer], keys)
      for (const [queue, member] of after) if (member !== newcomer) expect(before.get(queue)).toBe(member)
    }),
    PARAMETERS,
  )
})

describe("a group's queues", () => {
  const queuesOf = (topic: string, count: number): QueueAddress[] => upTo(count).map(queueId => ({ topic, queueId }))
  const none: AssignmentContext = { brokerName: 'b', functionOf: () => undefined }
  const member = (
    clientId: string,
    topics: readonly string[],
    assignment: Assignment = { kind: 'averaged' },
  ): Member => {
    const subscriptions = topics.map(topic => ({ topic, type: 'TAG', expression: '*' }) as const)
    return new Member(clientId, { subscriptions, assignment } as unknown as ConsumerRegistration, 0)
  }
  const shown = (owners: ReadonlyMap<QueueAddress, Member>): string[] =>
    [...owners].map(([{ topic, queueId }, { clientId }]) => `${topic}/${queueId} ${clientId}`).sort()

  test('go to members that subscribe to their topic alone, whatever order members came in', () => {
    const members = [member('c', ['x']), member('a', ['x', 'y']), member('b', ['y'])]
    const queues = [...queuesOf('x', 2), ...queuesOf('y', 2), ...queuesOf('z', 1)]
    const expected = ['x/0 a', 'x/1 c', 'y/0 a', 'y/1 b']
    expect(shown(assignQueues(queues, members, none).owners)).toEqual(expected)
    expect(shown(assignQueues([...queues].reverse(), [...members].reverse(), none).owners)).toEqual(expected)
  })

  test('never go to a member that was fenced; retries are everybody else’s', () => {
    const fenced = member('a', ['x'])
    fenced.isFenced = true
    const queues = [...queuesOf('x', 2), ...queuesOf('%RETRY%g', 1)]
    expect(shown(assignQueues(queues, [fenced, member('b', ['y'])], none).owners)).toEqual(['%RETRY%g/0 b'])
  })

  test('by lists go to who names them, and nobody gets the rest', () => {
    const list = (...ids: number[]): Assignment => ({
      kind: 'manual',
      queues: ids.map(queueId => ({ topic: 'x', queueId })),
    })
    const members = [member('a', ['x'], list(0, 3)), member('b', ['x'], list(1))]
    expect(shown(assignQueues(queuesOf('x', 4), members, none).owners)).toEqual(['x/0 a', 'x/1 b', 'x/3 a'])
  })

  test('by a function go where it says, if it gives each queue to exactly one member; else they are averaged, with the reason', () => {
    const members = ['a', 'b'].map(id => member(id, ['x'], { kind: 'custom', name: 'f' }))
    const by = (assign: AssignmentFunction): ReturnType<typeof assignQueues<QueueAddress>> =>
      assignQueues(queuesOf('x', 3), members, { brokerName: 'b', functionOf: () => assign })
    const reversed = by((queues, [first, second]) => ({
      [first as string]: queues.slice(2),
      [second as string]: queues.slice(0, 2),
    }))
    expect([shown(reversed.owners), reversed.problem]).toEqual([['x/0 b', 'x/1 b', 'x/2 a'], undefined])
    const wrong: AssignmentFunction[] = [
      queues => ({ a: queues.slice(1) }),
      queues => ({ a: queues, b: queues.slice(0, 1) }),
      queues => new Map([['c', queues]]),
      queues => ({ a: [...queues, { topic: 'x', queueId: 9 }] }),
      () => {
        throw new Error('broken')
      },
    ]
    for (const assign of wrong) {
      const { owners, problem } = by(assign)
      expect(shown(owners)).toEqual(['x/0 a', 'x/1 a', 'x/2 b'])
      expect(problem).toMatchObject({ code: 'POCKETMQ_INVALID_ARGUMENT', details: { field: 'assignment' } })
    }
  })

  test('by a function are covered whatever it answers', () => {
    const answer = fc.dictionary(
      fc.constantFrom('a', 'b', 'c'),
      fc.array(fc.record({ topic: fc.constant('x'), queueId: fc.integer({ min: 0, max: 4 }) })),
    )
    const members = ['a', 'b'].map(id => member(id, ['x'], { kind: 'custom', name: 'f' }))
    fc.assert(
      fc.property(answer, given => {
        const queues = queuesOf('x', 4)
        const { owners } = assignQueues(queues, members, { brokerName: 'b', functionOf: () => () => given })
        expect(new Set(owners.keys())).toEqual(new Set(queues))
      }),
      PARAMETERS,
    )
  })
})
