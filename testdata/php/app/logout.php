<?php
// A sign-out link as old apps have it. PHP itself serves no other path with a dot in it by index.php.
require __DIR__ . '/index.php';
