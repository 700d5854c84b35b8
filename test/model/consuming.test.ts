/** Random lives of consumers against the model. `RUNS=5000 SEED=7` replays and deepens. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import type { Order } from './consuming-model.ts'
import { ConsumingModel } from './consuming-model.ts'
import { ConsumingSystem } from './consuming-system.ts'

const RUNS = Number(process.env.RUNS ?? 60)
const SEED = Number(process.env.SEED ?? 20_251_121)

/** One thing that happens. Numbers choose among what there is at that moment. */
type Step =
  | { readonly do: 'send'; readonly group: number; readonly count: number }
  | { readonly do: 'join'; readonly kind: 'push' | 'simple' }
  | { readonly do: 'leave' | 'ack' | 'fail'; readonly which: number }
  | { readonly do: 'receive'; readonly which: number; readonly count: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'kill' | 'reopen' | 'flush' }
  | { readonly do: 'cut'; readonly seed: number }

const which = fc.nat(1000)
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('send' as const),
        group: fc.nat(3),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('join' as const),
        kind: fc.constantFrom('push' as const, 'simple' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), which }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('ack' as const), which }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('fail' as const), which }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('receive' as const), which, count: fc.integer({ min: 1, max: 4 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('wait' as const),
        ms: fc.constantFrom(1, 500, 1000, 10_000, 20_000, 60_000),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('kill' as const, 'reopen' as const, 'flush' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), seed: fc.nat() }) },
  ),
  { minLength: 5, maxLength: 60, size: 'max' },
)

/** What all runs together did: a model that is never asked proves nothing. */
type Tally = { deliveries: number; again: number; dead: number }

async function run(
  order: Order,
  seed: number,
  list: readonly Step[],
  tally: Tally,
  planted?: 'forgets',
): Promise<void> {
  const model = new ConsumingModel(order, new ManualClock())
  const system = await ConsumingSystem.open(model, seed)
  system.forgets = planted === 'forgets'
  for (const step of list) {
    await take(system, step)
    await system.check()
  }
  await system.drain()
  const dead = model.sent.filter(message => message.state === 'dead' && !message.mayRepeat).length
  const letters = await system.mq.admin.deadLetters('billing')
  expect(letters.length).toBeGreaterThanOrEqual(dead)
  if (!model.sent.some(message => message.mayRepeat)) expect(letters.length).toBe(dead)
  await system.mq.close({ drainMs: 0 })
  for (const { deliveries, state } of model.sent) {
    tally.deliveries += deliveries
    tally.again += deliveries > 1 ? 1 : 0
    tally.dead += state === 'dead' ? 1 : 0
  }
}

async function take(system: ConsumingSystem, step: Step): Promise<void> {
  const { model, members } = system
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
    case 'wait':
      return await system.advance(step.ms)
    case 'flush':
      return await system.mq.store.flush()
    case 'cut':
      return await system.powerCut(step.seed)
    default:
      return await system[step.do]()
  }
}

describe('whatever producers, consumers and power do', () => {
  test.each(['none', 'queue', 'group'] as const)(
    'order %s: nothing is lost, early, doubled or out of order',
    { timeout: 900_000 },
    async order => {
      const tally: Tally = { deliveries: 0, again: 0, dead: 0 }
      const property = fc.asyncProperty(fc.nat(), steps, async (seed, list) => await run(order, seed, list, tally))
      await fc.assert(property, { numRuns: RUNS, seed: SEED, endOnFailure: process.env.NO_SHRINK !== undefined })
      expect(tally.deliveries).toBeGreaterThan(RUNS * 10)
      expect(tally.again).toBeGreaterThan(RUNS)
      expect(tally.dead).toBeGreaterThan(0)
    },
  )

  test('the model notices a store that forgets what was acknowledged', { timeout: 60_000 }, async () => {
    const tally: Tally = { deliveries: 0, again: 0, dead: 0 }
    const property = fc.asyncProperty(
      fc.nat(),
      steps,
      async (seed, list) => await run('none', seed, list, tally, 'forgets'),
    )
    const { failed } = await fc.check(property, { numRuns: 60, seed: SEED, endOnFailure: true })
    expect(failed).toBe(true)
  })
})
