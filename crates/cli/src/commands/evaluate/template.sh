#!/bin/bash
{directives}

# Modules, environments and scratch folders of your cluster come here.

# Whatever stops it, a task that is started again goes on where it was.
{command}
