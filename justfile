# Every habit of this project, each a thin line over the plain command.

# fifty rules over a lively load on twelve processes
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# all tests
test:
    cargo test --workspace

# the tests of rules in MySQL on a real MySQL, fetched if missing
test-mysql *ARGS:
    tests/services/mysql-install
    STRATEYE_TEST_MYSQL=mysql cargo test -p strateye-sources --lib --test all mysql {{ARGS}}

# the long run: this number of random kills, hangs and restarts, with this seed
chaos DISTURBANCES="24" SEED="1":
    STRATEYE_DISTURBANCES={{DISTURBANCES}} STRATEYE_SEED={{SEED}} cargo test -p strateye --test live chaos -- --nocapture

# fuzzes events, rule documents, settings, binlogs and the wire for this many seconds each
fuzz SECONDS="3600":
    STRATEYE_FUZZ_SECONDS={{SECONDS}} RUST_TEST_THREADS=1 cargo test --workspace --lib --test all -- fuzz --nocapture

# what has to pass before a change lands
ci:
    .ci/run

# formatting and lints
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# licences, bans and advisories (needs cargo-deny)
deny:
    cargo deny check

# the binary that is shipped
dist:
    cargo build --profile dist

# the whole engine on a workload of its own, against the floor
bench *ARGS:
    cargo build --profile dist -p strateye -p strateye-bench
    target/dist/strateye-bench end-to-end {{ARGS}}

# the engine between a real Kafka, Redis and MariaDB
bench-services *ARGS:
    cargo build --profile dist -p strateye -p strateye-bench
    target/dist/strateye-bench services {{ARGS}}

# the parts one by one
micro *ARGS:
    cargo bench -p strateye-bench {{ARGS}}

# Redis, Kafka and MariaDB on this machine, installed if missing; `just services stop` stops them
services VERB="start":
    tests/services/install
    tests/services/all {{VERB}} "${TMPDIR:-/tmp}/strateye-services"
