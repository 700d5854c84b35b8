import { describe, expect, test } from 'vitest'
import { Alarms } from '../../src/messaging/alarms.ts'
import type { Lease } from '../../src/messaging/leases.ts'
import { Leases } from '../../src/messaging/leases.ts'
import type { Member } from '../../src/messaging/member.ts'
import type { QueueCursor } from '../../src/messaging/queue-cursor.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

type Open = {
  readonly clock: ManualClock
  readonly leases: Leases
  readonly expired: (readonly number[])[]
  readonly cursor: QueueCursor<Lease>
  readonly member: Member
}

function open(order = 'none'): Open {
  const clock = new ManualClock()
  const alarms = new Alarms(clock, 'monotonic', error => expect(error).toBeUndefined())
  const expired: (readonly number[])[] = []
  const onExpired = (lease: Lease, queueOffsets: readonly number[]): void => {
    expired.push(queueOffsets)
    leases.forget(lease)
  }
  const leases = new Leases({ alarms, nowMs: () => clock.nowMs(), brokerName: 'b', onExpired })
  const inFlight = new Map<number, Lease>()
  const hold = (queueOffset: number, lease: Lease): void => void inFlight.set(queueOffset, lease)
  const cursor = { queueId: 9, lastPopTimeMs: 0, inFlight, hold } as unknown as QueueCursor<Lease>
  const member = { inFlight: 0, registration: { order } } as unknown as Member
  return { clock, leases, expired, cursor, member }
}

describe('leases', () => {
  test('end at their deadline with what is still in hand', async () => {
    const { clock, leases, expired, cursor, member } = open()
    const lease = leases.begin(member, cursor, { invisibleMs: 1000 }, false)
    for (const queueOffset of [3, 4, 5]) leases.add(lease, queueOffset, 1)
    expect(member.inFlight).toBe(3)
    cursor.inFlight.delete(4)
    leases.drop(lease, 4)
    await clock.advance(999)
    expect(expired).toEqual([])
    await clock.advance(1)
    expect([expired, member.inFlight, leases.of(member)]).toEqual([[[3, 5]], 0, []])
  })

  test('end without a word when nothing is left in hand', async () => {
    const { clock, leases, expired, cursor, member } = open()
    const lease = leases.begin(member, cursor, { invisibleMs: 1000 }, false)
    leases.add(lease, 3, 1)
    leases.drop(lease, 3)
    expect(leases.of(member)).toEqual([])
    await clock.advance(5000)
    expect(expired).toEqual([])
  })

  test('are found by the pop time of their receipt alone', () => {
    const { leases, cursor, member, clock } = open()
    const lease = leases.begin(member, cursor, { invisibleMs: 1000 }, false)
    leases.add(lease, 3, 1)
    expect(leases.find(cursor, 3, lease.popTimeMs)).toBe(lease)
    expect(leases.find(cursor, 3, lease.popTimeMs + 1)).toBeUndefined()
    expect(leases.find(cursor, 4, lease.popTimeMs)).toBeUndefined()
    // What is handed out again in the same millisecond has another pop time.
    const again = leases.begin(member, cursor, { invisibleMs: 1000 }, true)
    expect([lease.popTimeMs, again.popTimeMs]).toEqual([clock.nowMs(), clock.nowMs() + 1])
  })

  test('have receipts that name the queue, the time and the first message', () => {
    const { leases, cursor, member, clock } = open()
    const lease = leases.begin(member, cursor, { invisibleMs: 1000 }, false)
    leases.add(lease, 3, 1)
    leases.add(lease, 4, 1)
    expect(leases.receipt(lease, 1)).toBe(`3 ${clock.nowMs()} 1000 1 1 b 9 3`)
    const ordered = open('queue')
    const endless = ordered.leases.begin(
      ordered.member,
      ordered.cursor,
      { invisibleMs: Number.POSITIVE_INFINITY },
      false,
    )
    ordered.leases.add(endless, 0, 1)
    expect(ordered.leases.receipt(endless, 0)).toBe(`0 ${clock.nowMs()} ${Number.MAX_SAFE_INTEGER} 999 0 b 9 0`)
  })

  test('start anew when they are told to', async () => {
    const { clock, leases, expired, cursor, member } = open()
    const lease = leases.begin(member, cursor, { invisibleMs: 1000 }, false)
    leases.add(lease, 3, 1)
    await clock.advance(900)
    leases.extend(lease)
    await clock.advance(999)
    expect(expired).toEqual([])
    await clock.advance(1)
    expect(expired).toEqual([[3]])
  })

  test('start anew by themselves as long as was asked, three hours at most', async () => {
    for (const [autoRenewMs, endMs] of [
      [2500, 2500],
      [12 * 3_600_000, 3 * 3_600_000],
    ] as const) {
      const { clock, leases, expired, cursor, member } = open()
      leases.add(leases.begin(member, cursor, { invisibleMs: 600_000, autoRenewMs }, false), 3, 1)
      const endsMs = Math.max(600_000, endMs)
      await clock.advance(endsMs - 1)
      expect(expired).toEqual([])
      await clock.advance(1)
      expect(expired).toEqual([[3]])
    }
  })

  test('are found by the attempt that took them, and only those of that member', () => {
    const { leases, cursor, member } = open()
    const lease = leases.begin(member, cursor, { invisibleMs: 1000, attemptId: 'a' }, false)
    leases.begin(member, cursor, { invisibleMs: 1000 }, false)
    const other = { inFlight: 0, registration: { order: 'none' } } as unknown as Member
    expect([leases.ofAttempt(member, 'a'), leases.ofAttempt(member, 'b'), leases.ofAttempt(other, 'a')]).toEqual([
      [lease],
      [],
      [],
    ])
  })
})
