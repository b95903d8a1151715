# docker build -t cartage .        (more with --build-arg EXTRAS=sandbox,parquet)
# docker run --rm -it -v "$PWD:/data" -e AWS_ACCESS_KEY_ID -e AWS_SECRET_ACCESS_KEY cartage run plan.toml
FROM python:3.13-slim AS build
ARG EXTRAS=""
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY docs/man docs/man
COPY docs/completion docs/completion
COPY examples/pokemon.toml examples/pokemon.toml
COPY engine engine
RUN python -m venv /opt/cartage
RUN /opt/cartage/bin/pip install --no-cache-dir ".${EXTRAS:+[$EXTRAS]}"

FROM python:3.13-slim
RUN useradd --uid 1000 --create-home --home-dir /config cartage && install -d -o cartage -g cartage /data
COPY --from=build /opt/cartage /opt/cartage
ENV PATH=/opt/cartage/bin:$PATH HOME=/config
USER cartage
WORKDIR /data
ENTRYPOINT ["cartage"]
CMD ["--help"]
