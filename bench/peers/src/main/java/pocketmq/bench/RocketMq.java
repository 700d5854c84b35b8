package pocketmq.bench;

import java.io.File;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

import com.alibaba.fastjson2.JSONObject;

import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.PutMessageResult;
import org.apache.rocketmq.store.PutMessageStatus;
import org.apache.rocketmq.store.config.FlushDiskType;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.queue.ConsumeQueueInterface;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * RocketMQ's own store. Append: `threads` callers, each with its share of the messages outstanding. A consumer's read is
 * getMessage and the client's decoder.
 */
public final class RocketMq implements Peer {
    private static final String TOPIC = "bench";
    private static final int QUEUES = 8;
    private static final int PULL_MAX = 256;
    private static final long FILLED_BYTES = 400_000_000;
    private static final int OVERHEAD_BYTES = 300;
    private static final InetSocketAddress HOST = new InetSocketAddress("127.0.0.1", 10911);
    private static final String[] HEX = new String[65_536];

    static {
        for (int i = 0; i < HEX.length; i++) {
            HEX[i] = String.format("%04X", i);
        }
    }

    private final AtomicLong next = new AtomicLong();
    private volatile int queues = QUEUES;

    public static void main(String[] arguments) throws Exception {
        Peer.serve(new RocketMq());
    }

    @Override
    public Map<String, Object> measure(JSONObject request) throws Exception {
        queues = request.getJSONObject("settings").getIntValue("queues", QUEUES);
        return switch (request.getString("workload")) {
            case "append" -> append(request);
            case "read" -> read(request);
            case "fill" -> fill(request);
            case "open" -> open(request);
            default -> null;
        };
    }

    private Map<String, Object> append(JSONObject request) throws Exception {
        DefaultMessageStore store = started(request);
        Clock clock = new Clock(request);
        appendUntil(store, request, clock);
        long behind = store.dispatchBehindBytes();
        long waited = System.nanoTime();
        Map<String, Object> figures = new LinkedHashMap<>();
        Map<String, Object> answer = clock.answer(figures, configuration(request));
        drain(store);
        double consumableSeconds = (Double) answer.get("seconds") + (System.nanoTime() - waited) / 1e9;
        figures.put("consumablePerSecond", (Long) answer.get("operations") / consumableSeconds);
        figures.put("behindBytes", behind);
        return answer;
    }

    private void appendUntil(DefaultMessageStore store, JSONObject request, Clock clock) throws Exception {
        int threads = request.getJSONObject("settings").getIntValue("threads", 1);
        int outstanding = request.getIntValue("outstanding") / threads;
        byte[] body = Peer.body(request.getIntValue("size"));
        boolean isDisk = request.getString("durability").equals("disk");
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread[] callers = new Thread[threads];
        for (int i = 0; i < threads; i++) {
            callers[i] = new Thread(() -> {
                try {
                    if (outstanding <= 1) {
                        putOneByOne(store, clock, body, isDisk);
                    } else {
                        keepOutstanding(store, clock, body, outstanding);
                    }
                } catch (Throwable thrown) {
                    failure.set(thrown);
                }
            });
            callers[i].start();
        }
        for (Thread caller : callers) {
            caller.join();
        }
        if (failure.get() != null) {
            throw new IllegalStateException(failure.get());
        }
    }

    private void putOneByOne(DefaultMessageStore store, Clock clock, byte[] body, boolean isDisk) throws Exception {
        for (long i = 0; !clock.isOver(); i++) {
            long called = System.nanoTime();
            while (!isTaken(store.putMessage(message(body)))) {
                Thread.sleep(1);
            }
            if (isDisk || i % 64 == 0) {
                clock.took(System.nanoTime() - called);
            }
            clock.operations.increment();
        }
    }

    private void keepOutstanding(DefaultMessageStore store, Clock clock, byte[] body, int outstanding) throws Exception {
        Semaphore room = new Semaphore(outstanding);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        while (!clock.isOver() && failure.get() == null) {
            room.acquire();
            long called = System.nanoTime();
            store.asyncPutMessage(message(body)).whenComplete((result, thrown) -> {
                if (thrown != null || !result.isOk()) {
                    failure.set(thrown != null ? thrown : new IllegalStateException(result.getPutMessageStatus().toString()));
                }
                clock.took(System.nanoTime() - called);
                clock.operations.increment();
                room.release();
            });
        }
        room.acquire(outstanding);
        if (failure.get() != null) {
            throw new IllegalStateException(failure.get());
        }
    }

    /** False where the store asks to be left alone for a moment. */
    private static boolean isTaken(PutMessageResult result) {
        if (result.isOk()) {
            return true;
        }
        if (result.getPutMessageStatus() == PutMessageStatus.OS_PAGE_CACHE_BUSY) {
            return false;
        }
        throw new IllegalStateException("put: " + result.getPutMessageStatus());
    }

    /** As a broker hands it over: properties both as a map and as text. */
    private MessageExtBrokerInner message(byte[] body) {
        long i = next.getAndIncrement();
        MessageExtBrokerInner message = new MessageExtBrokerInner();
        String uniqueKey = "7F000001000100000000" + HEX[(int) (i >>> 32) & 0xffff] + HEX[(int) (i >>> 16) & 0xffff]
            + HEX[(int) i & 0xffff];
        Map<String, String> properties = new HashMap<>(8);
        properties.put("UNIQ_KEY", uniqueKey);
        properties.put("WAIT", "true");
        properties.put("TAGS", "TagA");
        MessageAccessor.setProperties(message, properties);
        message.setPropertiesString("UNIQ_KEY\u0001" + uniqueKey + "\u0002WAIT\u0001true\u0002TAGS\u0001TagA\u0002");
        message.setTagsCode("TagA".hashCode());
        message.setTopic(TOPIC);
        message.setQueueId((int) (i % queues));
        message.setBody(body);
        message.setBornTimestamp(System.currentTimeMillis());
        message.setBornHost(HOST);
        message.setStoreHost(HOST);
        return message;
    }

    private Map<String, Object> read(JSONObject request) throws Exception {
        DefaultMessageStore store = started(request);
        long messages = FILLED_BYTES / (request.getIntValue("size") + OVERHEAD_BYTES);
        put(store, request, messages);
        drain(store);
        boolean isWhole = !"headers".equals(request.getJSONObject("settings").getString("touch"));
        boolean isFirst = "first".equals(request.getJSONObject("settings").getString("pass"));
        Clock clock = new Clock(request);
        while (!clock.isOver()) {
            if (isFirst) {
                long paused = System.nanoTime();
                store.shutdown();
                store = started(request);
                drain(store);
                clock.pausedSince(paused);
            }
            readInTurn(store, isWhole, isFirst, clock);
        }
        return clock.answer(Peer.one("stored", messages), configuration(request));
    }

    /** A batch of each queue in turn. Who was opened for this pass makes it to its end. */
    private void readInTurn(DefaultMessageStore store, boolean isWhole, boolean isFirst, Clock clock) {
        long[] offsets = new long[queues];
        for (int queueId = 0; queueId < queues; queueId++) {
            offsets[queueId] = store.getConsumeQueue(TOPIC, queueId).getMinOffsetInQueue();
        }
        for (boolean isOver = false; !isOver && (!clock.isOver() || isFirst);) {
            isOver = true;
            for (int queueId = 0; queueId < queues; queueId++) {
                ConsumeQueueInterface queue = store.getConsumeQueue(TOPIC, queueId);
                if (offsets[queueId] < queue.getMaxOffsetInQueue()) {
                    offsets[queueId] = readBatch(store, queueId, offsets[queueId], isWhole, clock);
                    isOver = false;
                }
            }
        }
    }

    private static long readBatch(DefaultMessageStore store, int queueId, long offset, boolean isWhole, Clock clock) {
        GetMessageResult result = store.getMessage("bench", TOPIC, queueId, offset, PULL_MAX, null);
        try {
            int read = 0;
            for (ByteBuffer record : result.getMessageBufferList()) {
                MessageExt message = MessageDecoder.decode(record, isWhole, false);
                if (isWhole ? message.getBody().length > 0 : message.getStoreTimestamp() > 0) {
                    read++;
                }
            }
            if (read == 0) {
                throw new IllegalStateException("stuck at " + offset + ": " + result.getStatus());
            }
            clock.operations.add(read);
            return result.getNextBeginOffset();
        } finally {
            result.release();
        }
    }

    /** Writes `bytes` of messages, then closes, or stays open for whoever kills it. */
    private Map<String, Object> fill(JSONObject request) throws Exception {
        JSONObject settings = request.getJSONObject("settings");
        DefaultMessageStore store = started(request);
        put(store, request, settings.getLongValue("bytes") / (request.getIntValue("size") + OVERHEAD_BYTES));
        if (settings.getString("ends").equals("closed")) {
            drain(store);
            store.shutdown();
        } else {
            Thread forEver = new Thread(() -> {
                for (;;) {
                    store.putMessage(message(Peer.body(request.getIntValue("size"))));
                }
            });
            forEver.setDaemon(true);
            forEver.start();
        }
        return new Clock(request).answer(new LinkedHashMap<>(), configuration(request));
    }

    private Map<String, Object> open(JSONObject request) throws Exception {
        long started = System.nanoTime();
        DefaultMessageStore store = started(request);
        double milliseconds = (System.nanoTime() - started) / 1e6;
        long end = store.getMaxPhyOffset();
        store.shutdown();
        Map<String, Object> figures = new LinkedHashMap<>();
        figures.put("openMs", milliseconds);
        figures.put("logBytes", end);
        return new Clock(request).answer(figures, configuration(request));
    }

    private void put(DefaultMessageStore store, JSONObject request, long messages) throws Exception {
        byte[] body = Peer.body(request.getIntValue("size"));
        for (long i = 0; i < messages; i++) {
            while (!isTaken(store.putMessage(message(body)))) {
                Thread.sleep(1);
            }
        }
    }

    private static DefaultMessageStore started(JSONObject request) throws Exception {
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(request.getString("folder"));
        config.setStorePathCommitLog(request.getString("folder") + File.separator + "commitlog");
        config.setFlushDiskType(request.getString("durability").equals("disk") ? FlushDiskType.SYNC_FLUSH : FlushDiskType.ASYNC_FLUSH);
        config.setHaListenPort(0);
        config.setDiskMaxUsedSpaceRatio(99);
        config.setCleanFileForciblyEnable(false);
        config.setMaxTransferCountOnMessageInMemory(PULL_MAX);
        config.setMaxTransferBytesOnMessageInMemory(16 * 1024 * 1024);
        DefaultMessageStore store = new DefaultMessageStore(config, new BrokerStatsManager("bench", true), null,
            new BrokerConfig(), new ConcurrentHashMap<>());
        if (!store.load()) {
            throw new IllegalStateException("load answered false");
        }
        store.start();
        return store;
    }

    private static void drain(DefaultMessageStore store) throws InterruptedException {
        while (store.dispatchBehindBytes() > 0) {
            Thread.sleep(1);
        }
    }

    private static String configuration(JSONObject request) {
        boolean isDisk = request.getString("durability").equals("disk");
        return MQVersion.getVersionDesc(MQVersion.CURRENT_VERSION) + ", " + (isDisk ? "SYNC_FLUSH" : "ASYNC_FLUSH")
            + ", defaults, larger transfers; " + request.getJSONObject("settings").getIntValue("threads", 1) + " threads";
    }
}
