/** Power cuts at every flush, and at other moments, of seeded workloads on the engine. `SEED=123 npm run test:crash` replays one. */
import { it } from 'vitest'
import { cutEngine } from './cut-engine.ts'

it(
  'the engine, cut at any moment, keeps what it acknowledged, each queue a prefix, and goes on',
  () => cutEngine(10000),
  900_000,
)
