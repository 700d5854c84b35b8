/** The inequalities that hold at every moment, in production too. ARCHITECTURE section 2. */
import { assert } from '../base/assert.ts'
import type { Watermarks } from './store-types.ts'

/** Throws where a watermark is ahead of one it must follow. */
export function assertWatermarks(marks: Watermarks): void {
  const { min, appended, written, flushed, dispatched, checkpointed } = marks
  assertRule(min <= flushed, 'min <= flushed', marks)
  assertRule(flushed <= written, 'flushed <= written', marks)
  assertRule(written <= appended, 'written <= appended', marks)
  assertRule(min <= dispatched, 'min <= dispatched', marks)
  assertRule(dispatched <= written, 'dispatched <= written', marks)
  assertRule(checkpointed <= flushed, 'checkpointed <= flushed', marks)
  assertRule(checkpointed <= dispatched, 'checkpointed <= dispatched', marks)
}

/** The text is made only where a rule is broken: making seven of them takes longer than all else that asks for watermarks. */
function assertRule(holds: boolean, rule: string, marks: Watermarks): void {
  if (!holds) assert(false, `${rule}: ${JSON.stringify(marks)}`)
}
