/* config.json of a model. */
#ifndef CHECKPOINT_CONFIG_H
#define CHECKPOINT_CONFIG_H

struct checkpoint_config;
struct folder;

/* Reads and checks config.json; reasons begin with its name. */
int config_read(struct checkpoint_config *, struct folder *, char *why);

#endif
