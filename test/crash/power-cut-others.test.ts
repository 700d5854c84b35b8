/** As `power-cut.test.ts`, with seeds of its own: a second file is a second core. */
import { it } from 'vitest'
import { cutEngine } from './cut-engine.ts'

it(
  'the engine, cut at other moments, keeps what it acknowledged, each queue a prefix, and goes on',
  () => cutEngine(20000),
  900_000,
)
