import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { Alarms } from '../../src/messaging/alarms.ts'
import type { ReceiveRequest } from '../../src/messaging/core-types.ts'
import type { Member } from '../../src/messaging/member.ts'
import type { WaitingReceive } from '../../src/messaging/waiting-receives.ts'
import { WaitingReceives } from '../../src/messaging/waiting-receives.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'

type TestMember = { load: number; servedInTurn: number; topics: Set<string> }

function member(load = 0, ...topics: string[]): Member & TestMember {
  return { load, servedInTurn: 0, topics: new Set(topics) } as unknown as Member & TestMember
}

const QUEUE = {}

function open(): {
  waiting: WaitingReceives
  clock: ManualClock
  answers: string[]
  add: (name: string, of: Member, maxMessages?: number) => WaitingReceive
} {
  const clock = new ManualClock()
  const waiting = new WaitingReceives(new Alarms(clock, 'monotonic', error => expect(error).toBeUndefined()))
  const answers: string[] = []
  const add = (name: string, of: Member, maxMessages = 1): WaitingReceive => {
    const request: ReceiveRequest = { group: 'g', maxMessages, invisibleMs: 1000, waitMs: 0 }
    return waiting.add(of, request, how => void answers.push(`${name} ${how}`))
  }
  return { waiting, clock, answers, add }
}

describe('receives that wait', () => {
  test('are chosen by how busy their member is; ties in turn', () => {
    const { waiting, add } = open()
    const [busy, a, b] = [member(0.5), member(), member()]
    for (const one of [busy, a, b]) add('x', one, 10)
    const chosen = Array.from({ length: 4 }, () => waiting.choose(undefined, QUEUE, 1)?.member)
    expect(chosen).toEqual([a, b, a, b])
    a.load = 1
    b.load = 1
    expect(waiting.choose(undefined, QUEUE, 1)?.member).toBe(busy)
  })

  test('are chosen of those that subscribe to the topic', () => {
    const { waiting, add } = open()
    const paid = member(9, 'paid')
    add('x', member(0, 'open'))
    add('y', paid)
    expect(waiting.choose('paid', QUEUE, 1)?.member).toBe(paid)
    expect(waiting.choose('lost', QUEUE, 1)).toBeUndefined()
  })

  test('that are full wait no longer, and those that have something are answered', () => {
    const { waiting, answers, add } = open()
    const [full, some] = [add('full', member(), 1), add('some', member(), 2)]
    add('empty', member())
    waiting.gave(full)
    waiting.gave(some)
    expect([waiting.size, answers]).toEqual([2, []])
    waiting.answerGiven()
    expect([waiting.size, answers]).toEqual([1, ['full found', 'some found']])
  })

  test('of a member, or all, can be ended', () => {
    const { waiting, answers, add } = open()
    const one = member()
    add('a', one)
    add('b', member())
    waiting.end('fenced', one)
    waiting.end('none')
    expect([answers, waiting.size]).toEqual([['a fenced', 'b none'], 0])
  })

  test('that only look end when no read is under way, and no others', () => {
    const { waiting, answers, add } = open()
    waiting.endLooks()
    add('waits', member())
    waiting.look(add('looks', member()))
    waiting.endLooks()
    waiting.endLooks()
    expect([answers, waiting.size]).toEqual([['looks none'], 1])
  })

  test('end when their time is over, or their caller goes, and once', async () => {
    const { waiting, clock, answers, add } = open()
    const stop = new AbortController()
    const errors: Error[] = []
    const limit = (receive: WaitingReceive, waitMs: number): void => {
      waiting.limit(receive, waitMs, stop.signal, error => errors.push(error))
    }
    limit(add('timed', member()), 1000)
    limit(add('endless', member()), Number.POSITIVE_INFINITY)
    await clock.advance(999)
    expect(answers).toEqual([])
    await clock.advance(1)
    stop.abort()
    expect([answers, errors.map(error => error.name), waiting.size]).toEqual([['timed none'], ['AbortError'], 0])
  })

  test('listen once to a signal that many of them have, and not for those that were answered', () => {
    const { waiting, add } = open()
    const stop = new AbortController()
    const aborted: string[] = []
    const limit = (name: string): (() => void) =>
      waiting.limit(add(name, member()), Number.POSITIVE_INFINITY, stop.signal, () => aborted.push(name))
    const [first, ...others] = ['first', 'second', 'third'].map(limit)
    expect([others.length, getEventListeners(stop.signal, 'abort').length]).toEqual([2, 1])
    first?.()
    stop.abort()
    expect([aborted, waiting.size]).toEqual([['second', 'third'], 1])
  })

  test('know how many messages they could take together', () => {
    const { waiting, add } = open()
    add('one', member(), 5)
    waiting.gave(add('another', member(), 3))
    expect(waiting.room).toBe(7)
  })
})
