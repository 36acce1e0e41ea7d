# syntax=docker/dockerfile:1
# The base image is an argument: any image with Node.js >= 20.19 and npm will do.
ARG NODE_IMAGE=node:20-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json tsconfig.workspace.json ./
COPY packages ./packages
RUN npm ci && npx tsc -b packages/jobs && npm prune --omit=dev

FROM ${NODE_IMAGE}
WORKDIR /app
ENV NODE_ENV=production
COPY --from=build /app/package.json ./package.json
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/packages ./packages
COPY examples ./examples
RUN mkdir -p /data && chown 1000:1000 /data
USER 1000:1000
VOLUME /data
EXPOSE 5000 3262
ENTRYPOINT ["node", "packages/jobs/dist/src/main.js"]
CMD ["serve"]
