package pocketmq.bench;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAccumulator;

/** Durations in log-linear buckets, the same as bench/support/histogram.ts. */
final class Histogram {
    private static final int STEPS = 64;
    private static final int OCTAVES = 40;

    private final AtomicLongArray counts = new AtomicLongArray(OCTAVES * STEPS);
    private final LongAccumulator longest = new LongAccumulator(Math::max, 0);

    void add(long nanoseconds) {
        long value = Math.max(1, nanoseconds);
        int octave = 63 - Long.numberOfLeadingZeros(value);
        int step = (int) ((value - (1L << octave)) * STEPS >>> octave);
        counts.incrementAndGet(Math.min(octave * STEPS + step, counts.length() - 1));
        longest.accumulate(value);
    }

    long count() {
        long sum = 0;
        for (int i = 0; i < counts.length(); i++) {
            sum += counts.get(i);
        }
        return sum;
    }

    /** In microseconds. */
    Map<String, Object> summary() {
        Map<String, Object> summary = new LinkedHashMap<>();
        summary.put("p50", percentile(0.5));
        summary.put("p99", percentile(0.99));
        summary.put("p999", percentile(0.999));
        summary.put("max", longest.get() / 1000.0);
        return summary;
    }

    private double percentile(double share) {
        long left = (long) Math.ceil(count() * share);
        for (int i = 0; i < counts.length(); i++) {
            left -= counts.get(i);
            if (left <= 0) {
                return (1L << i / STEPS) * (1 + (i % STEPS + 0.5) / STEPS) / 1000;
            }
        }
        return longest.get() / 1000.0;
    }
}
