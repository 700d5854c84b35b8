/** Random lives of consumers against the model: 2,100 in each run of the tests. `ROUNDS=200 SEED=7` goes deeper, elsewhere. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import type { Order } from './consuming-model.ts'
import { ConsumingModel } from './consuming-model.ts'
import { ConsumingSystem, cutTails } from './consuming-system.ts'

/** Runs of a round, which has a seed of its own; so one that fails is tried again in a second: `ROUNDS=1 SEED=…`. */
const RUNS = 50
const ROUNDS = Number(process.env.ROUNDS ?? 14)
const SEED = Number(process.env.SEED ?? 20_251_121)

/** One thing that happens. Numbers choose among what there is at that moment. */
type Step =
  | { readonly do: 'send'; readonly group: number; readonly count: number }
  | { readonly do: 'join'; readonly kind: 'push' | 'simple' }
  | { readonly do: 'leave' | 'ack' | 'fail'; readonly which: number }
  | { readonly do: 'receive'; readonly which: number; readonly count: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'kill' | 'reopen' | 'flush' | 'failAll' }
  | { readonly do: 'cut'; readonly seed: number }
  | { readonly do: 'delay'; readonly ms: number }
  | { readonly do: 'show' | 'hide' | 'seen' | 'unseen' | 'commit' | 'unsubscribe'; readonly which: number }
  | { readonly do: 'poll'; readonly which: number; readonly count: number }
  | { readonly do: 'subscribe' }
  | { readonly do: 'tail' | 'untail' | 'begin' | 'commitTx' | 'rollbackTx'; readonly which: number }

const which = fc.nat(1000)
const count = fc.integer({ min: 1, max: 4 })
const sends = fc.record({ do: fc.constant('send' as const), group: fc.nat(3), count })
const joins = fc.record({
  do: fc.constant('join' as const),
  kind: fc.constantFrom('push' as const, 'simple' as const),
})
const waits = fc.record({
  do: fc.constant('wait' as const),
  ms: fc.constantFrom(1, 999, 1000, 10_000, 10_000, 20_000, 60_000),
})
const delays = fc.record({ do: fc.constant('delay' as const), ms: fc.constantFrom(1, 999, 1000, 7500, 10_000) })
const polls = fc.record({ do: fc.constant('poll' as const), which, count: fc.integer({ min: 1, max: 5 }) })

/** A step without particulars, or one that somebody takes. */
function plain<const D extends string>(...kinds: readonly D[]): fc.Arbitrary<{ do: D }> {
  return fc.record({ do: fc.constantFrom(...kinds) })
}
function of<const D extends string>(...kinds: readonly D[]): fc.Arbitrary<{ do: D; which: number }> {
  return fc.record({ do: fc.constantFrom(...kinds), which })
}

const steps = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: sends },
    { weight: 3, arbitrary: joins },
    { weight: 2, arbitrary: of('leave') },
    { weight: 12, arbitrary: of('ack') },
    { weight: 8, arbitrary: of('fail') },
    { weight: 4, arbitrary: plain('failAll') },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('receive' as const), which, count }) },
    { weight: 10, arbitrary: waits },
    { weight: 2, arbitrary: plain('kill', 'reopen', 'flush') },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), seed: fc.nat() }) },
    { weight: 4, arbitrary: delays },
    { weight: 4, arbitrary: of('seen') },
    { weight: 3, arbitrary: of('show', 'hide', 'unseen') },
    { weight: 4, arbitrary: plain('subscribe') },
    { weight: 7, arbitrary: polls },
    { weight: 9, arbitrary: of('commit', 'commit', 'commit', 'unsubscribe') },
    { weight: 3, arbitrary: of('tail', 'tail', 'untail') },
    { weight: 6, arbitrary: of('begin', 'begin', 'commitTx', 'rollbackTx') },
  ),
  { minLength: 10, maxLength: 34, size: 'max' },
)

/** What all runs together did: a model that is never asked proves nothing. */
type Tally = Record<
  | 'runs'
  | 'messages'
  | 'deliveries'
  | 'again'
  | 'dead'
  | 'delayed'
  | 'shown'
  | 'polled'
  | 'stale'
  | 'late'
  | 'tailed'
  | 'decided'
  | 'checked',
  number
>

const NOTHING: Tally = {
  ...{ runs: 0, messages: 0, deliveries: 0, again: 0, dead: 0, delayed: 0, shown: 0, polled: 0, stale: 0, late: 0 },
  ...{ tailed: 0, decided: 0, checked: 0 },
}

/** Without order alone: where such a message will be in its queue is not known beforehand. */
const UNORDERED = ['delayed', 'decided', 'checked']

const JOINED: readonly Step[] = [
  { do: 'join', kind: 'push' },
  { do: 'join', kind: 'simple' },
  { do: 'show', which: 0 },
  { do: 'subscribe' },
]
const SENT: readonly Step[] = [0, 1, 2].map(group => ({ do: 'send', group, count: 3 }))
/** Somebody has polled, and another one comes for some of the queues. */
const SHARED: readonly Step[] = [{ do: 'poll', which: 0, count: 5 }, { do: 'subscribe' }]
const BEGINNINGS = [[...JOINED, ...SENT, ...SHARED], [...SENT, ...JOINED], SENT, []]

/** Bugs that the model must notice. */
type Planted = 'forgets' | 'confuses' | 'cuts'

async function run(order: Order, seed: number, list: readonly Step[], tally: Tally, planted?: Planted): Promise<void> {
  const model = new ConsumingModel(order, new ManualClock())
  const system = await ConsumingSystem.open(model, seed)
  system.forgets = planted === 'forgets'
  system.shop.isConfused = planted === 'confuses'
  system.cutsTails = planted === 'cuts'
  if (system.cutsTails) cutTails(system.mq)
  // Some runs begin with nobody there, some with nothing there.
  for (const step of [...(BEGINNINGS[seed % BEGINNINGS.length] as readonly Step[]), ...list]) {
    await take(system, step)
    await system.check()
  }
  await system.drain()
  const dead = model.sent.filter(message => message.state === 'dead' && !message.mayRepeat).length
  const letters = await system.mq.admin.deadLetters('billing')
  expect(letters.length).toBeGreaterThanOrEqual(dead)
  if (!model.sent.some(message => message.mayRepeat)) expect(letters.length).toBe(dead)
  await system.mq.close({ drainMs: 0 })
  tally.runs++
  tally.messages += model.sent.length
  tally.shown += system.screens.deliveries
  tally.polled += system.replay.polled
  tally.stale += system.replay.stale
  tally.late += system.replay.late
  tally.tailed += system.tails.seen
  tally.decided += system.shop.decided
  tally.checked += system.shop.checked
  for (const { deliveries, state, isDelayed } of model.sent) {
    tally.deliveries += deliveries
    tally.delayed += isDelayed ? 1 : 0
    tally.again += deliveries > 1 ? 1 : 0
    tally.dead += state === 'dead' ? 1 : 0
  }
}

async function take(system: ConsumingSystem, step: Step): Promise<void> {
  const { model, members, screens, replay, mq } = system
  const hands = model.inHand
  switch (step.do) {
    case 'send':
      for (let i = 0; i < step.count; i++) await system.send(step.group)
      return
    case 'join':
      return await system.join(model.order === 'none' ? step.kind : 'push')
    case 'leave':
      return members.length === 0 ? undefined : await system.close(step.which % members.length)
    case 'receive': {
      const simple = members.flatMap(({ kind }, index) => (kind === 'simple' ? [index] : []))
      return simple.length === 0 ? undefined : await system.receive(simple[step.which % simple.length] ?? 0, step.count)
    }
    case 'ack':
    case 'fail': {
      const hand = hands[step.which % Math.max(1, hands.length)]
      return hand === undefined ? undefined : await system.end(hand, step.do)
    }
    case 'failAll':
      for (const hand of hands) await system.end(hand, 'fail')
      return
    case 'wait':
      return await system.advance(step.ms)
    case 'flush':
      return await system.mq.store.flush()
    case 'cut':
      return await system.powerCut(step.seed)
    case 'delay':
      return model.order === 'none' ? await system.sendDelayed(step.ms) : undefined
    case 'show':
      return await screens.join(mq, step.which)
    case 'hide':
      return await screens.leave(step.which)
    case 'seen':
    case 'unseen':
      return screens.end(step.which, step.do === 'seen')
    case 'subscribe':
      return await replay.join(mq)
    case 'unsubscribe':
      return await replay.leave(step.which)
    case 'poll':
      await replay.poll(mq, step.which, step.count)
      return
    case 'commit':
      return await replay.commit(mq, step.which)
    case 'tail':
      return system.tails.join(mq, step.which)
    case 'untail':
      return await system.tails.leave(step.which)
    case 'begin':
      return model.order === 'none' ? await system.shop.begin(step.which) : undefined
    case 'commitTx':
    case 'rollbackTx':
      return await system.shop.decide(step.which, step.do === 'commitTx' ? 'commit' : 'rollback')
    default:
      return await system[step.do]()
  }
}

describe('whatever producers, consumers and power do', () => {
  test.each(['none', 'queue', 'group'] as const)(
    'order %s: nothing is lost, early, doubled or out of order',
    { timeout: 900_000 },
    async order => {
      const tally: Tally = { ...NOTHING }
      const property = fc.asyncProperty(fc.nat(), steps, async (seed, list) => await run(order, seed, list, tally))
      for (let seed = SEED; seed < SEED + ROUNDS; seed++) {
        await fc.assert(property, { numRuns: RUNS, seed, endOnFailure: process.env.NO_SHRINK !== undefined })
      }
      process.stdout.write(`order ${order}: ${JSON.stringify(tally)}\n`)
      expect(tally.deliveries).toBeGreaterThan(tally.runs * 10)
      if (ROUNDS === 1) return
      for (const [what, count] of Object.entries(tally)) {
        if (order === 'none' || !UNORDERED.includes(what)) expect(count, what).toBeGreaterThan(0)
      }
    },
  )

  test.each([
    ['a store that forgets what was acknowledged', 'forgets'],
    ['a transaction that is rolled back and delivered all the same', 'confuses'],
    ['a tail that loses the last message of what it reads', 'cuts'],
  ] as const)('the model notices %s', { timeout: 60_000 }, async (_, planted) => {
    const tally: Tally = { ...NOTHING }
    const property = fc.asyncProperty(
      fc.nat(),
      steps,
      async (seed, list) => await run('none', seed, list, tally, planted),
    )
    const { failed } = await fc.check(property, { numRuns: 60, seed: SEED, endOnFailure: true })
    expect(failed).toBe(true)
  })
})
