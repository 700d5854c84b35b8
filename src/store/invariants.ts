/** The inequalities that hold at every moment, in production too. ARCHITECTURE section 2. */
import { assert } from '../base/assert.ts'
import type { Watermarks } from './store-types.ts'

/** Throws where a watermark is ahead of one it must follow. */
export function assertWatermarks({ min, appended, written, flushed, dispatched, checkpointed }: Watermarks): void {
  assert(min <= flushed, `min ${min} <= flushed ${flushed}`)
  assert(flushed <= written, `flushed ${flushed} <= written ${written}`)
  assert(written <= appended, `written ${written} <= appended ${appended}`)
  assert(min <= dispatched, `min ${min} <= dispatched ${dispatched}`)
  assert(dispatched <= written, `dispatched ${dispatched} <= written ${written}`)
  assert(checkpointed <= flushed, `checkpointed ${checkpointed} <= flushed ${flushed}`)
  assert(checkpointed <= dispatched, `checkpointed ${checkpointed} <= dispatched ${dispatched}`)
}
